// Makes a torrent of a file or a folder.
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <libtorrent/bencode.hpp>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/load_torrent.hpp>

#include "compat.h"
#include "convert.h"
#include "hashing.h"
#include "impl.h"
#include "names.h"
#include "reuse.h"

namespace cove {
namespace {

namespace fs = std::filesystem;

// The path without a slash at its end, so that its last part is its name.
fs::path source_of(AuthorRequest const& request)
{
    auto path = fs::path(std::string(request.path)).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    if (!path.is_absolute() || !path.has_filename()) throw std::runtime_error("the path must be absolute");
    return path;
}

// The request's files, which the caller listed: below the path, or the path itself.
lt::file_storage storage_of(AuthorRequest const& request, fs::path const& source)
{
    lt::file_storage storage;
    for (auto const& file : request.files) {
        auto const path = fs::path(source.filename()) / std::string(file.path);
        auto const name = file.path.empty() ? source.filename() : path;
        storage.add_file(name.string(), static_cast<std::int64_t>(file.size));
    }
    if (storage.total_size() == 0) throw std::runtime_error("`" + source.string() + "` holds no data");
    return storage;
}

lt::create_flags_t version_flags(AuthorRequest const& request)
{
    if (request.make_v1 && request.make_v2) return {};
    if (request.make_v1) return lt::create_torrent::v1_only;
    if (request.make_v2) return lt::create_torrent::v2_only;
    throw std::runtime_error("a torrent is v1, v2 or both");
}

// libtorrent would take a smaller one for 16 KiB without a word.
int piece_length_of(AuthorRequest const& request)
{
    auto const length = request.piece_length;
    auto const is_power = (length & (length - 1)) == 0;
    if (length != 0 && (!is_power || length < 16u << 10 || length > 256u << 20)) {
        throw std::runtime_error("the piece length must be a power of two between 16 KiB and 256 MiB");
    }
    return static_cast<int>(length);
}

void fill(lt::create_torrent& torrent, AuthorRequest const& request)
{
    for (auto const& tracker : request.trackers) {
        torrent.add_tracker(std::string(tracker.url), tracker.tier);
    }
    for (auto const& url : request.web_seeds) torrent.add_url_seed(std::string(url));
    torrent.set_priv(request.is_private);
    if (!request.comment.empty()) torrent.set_comment(std::string(request.comment).c_str());
    if (!request.creator.empty()) torrent.set_creator(std::string(request.creator).c_str());
}

// What we made ourselves keeps no limit but its own size.
lt::load_torrent_limits as_big_as(std::vector<char> const& torrent)
{
    lt::load_torrent_limits limits;
    limits.max_buffer_size = int(torrent.size()) + 1;
    limits.max_decode_tokens = int(torrent.size()) + 1;
    return limits;
}

// The torrent's name may differ from the name on disk. In a v2 torrent of one file it stands in
// the file tree too.
void set_name(lt::entry& torrent, std::string const& old_name, std::string const& name)
{
    auto& info = torrent["info"].dict();
    info["name"] = name;
    auto const tree = info.find("file tree");
    if (tree == info.end()) return;
    auto& top = tree->second.dict();
    auto const file = top.find(old_name);
    if (top.size() != 1 || file == top.end() || file->second.dict().count("") == 0) return;
    auto node = std::move(file->second);
    top.clear();
    top[name] = std::move(node);
}

// Every file keeps the name it has on disk, whatever the torrent calls it.
void keep_disk_names(lt::add_torrent_params& params, lt::file_storage const& on_disk)
{
    for (auto const file : on_disk.file_range()) {
        if (on_disk.pad_file_at(file)) continue;
        auto const path = on_disk.file_path(file);
        if (params.ti->files().file_path(file) != path) params.renamed_files[file] = path;
        else params.renamed_files.erase(file);
    }
}

}  // namespace

std::unique_ptr<AddParams> author(AuthorRequest const& request, Progress const& progress)
{
    auto const source = source_of(request);
    auto storage = storage_of(request, source);
    lt::create_torrent torrent(storage, piece_length_of(request), version_flags(request));
    fill(torrent, request);
    Reuse const reuse(request, torrent);
    hash_files(torrent, source.parent_path().string(), request.threads, reuse, progress);

    auto entry = torrent.generate();
    if (!request.source.empty()) entry["info"]["source"] = std::string(request.source);
    auto const old_name = source.filename().string();
    auto const name = request.name.empty() ? old_name : clean_part(std::string(request.name));
    if (name != old_name) set_name(entry, old_name, name);
    std::vector<char> buffer;
    lt::bencode(std::back_inserter(buffer), entry);

    auto impl = std::make_unique<AddParams::Impl>();
    impl->params = lt::load_torrent_buffer(buffer, as_big_as(buffer));
    keep_disk_names(impl->params, torrent.files());
    impl->params.save_path = source.parent_path().string();
    auto made = std::make_unique<AddParams>(std::move(impl));
    made->claim_all_pieces();
    return made;
}

}  // namespace cove
