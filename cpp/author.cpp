// Makes a torrent of a file or a folder.
#include <set>
#include <stdexcept>

#include <libtorrent/create_torrent.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/settings_pack.hpp>

#include "compat.h"
#include "convert.h"
#include "impl.h"

namespace cove {
namespace {

lt::create_flags_t flags_of(AuthorRequest const& request)
{
    if (request.make_v1 && request.make_v2) return {};
    if (request.make_v2) return lt::create_torrent::v2_only;
    if (request.make_v1) return lt::create_torrent::v1_only;
    throw std::runtime_error("a torrent is v1, v2 or both");
}

std::string file_name(std::string const& path)
{
    auto const slash = path.find_last_of('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string parent_of(std::string path)
{
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    auto const slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

lt::file_storage files_of(AuthorRequest const& request)
{
    std::set<std::string> unwanted;
    for (auto const& name : request.exclude) unwanted.insert(plain(name));
    lt::file_storage files;
    lt::add_files(files, plain(request.path), [&unwanted](std::string const& path) {
        return unwanted.count(file_name(path)) == 0;
    });
    if (files.num_files() == 0 || files.total_size() == 0) {
        throw std::runtime_error("there is nothing to share: no file, or only empty ones");
    }
    if (!request.name.empty()) files.set_name(plain(request.name));
    return files;
}

void describe(lt::create_torrent& torrent, AuthorRequest const& request)
{
    torrent.set_priv(request.is_private);
    torrent.set_comment(plain(request.comment).c_str());
    torrent.set_creator(plain(request.creator).c_str());
    for (auto const& tracker : request.trackers) torrent.add_tracker(plain(tracker.url), tracker.tier);
    for (auto const& url : request.web_seeds) torrent.add_url_seed(plain(url));
}

void hash(lt::create_torrent& torrent, AuthorRequest const& request, Progress const& progress)
{
    lt::settings_pack settings;
    settings.set_int(lt::settings_pack::hashing_threads, std::max(1, int(request.threads)));
    settings.set_int(lt::settings_pack::disk_io_read_mode, lt::settings_pack::enable_os_cache);
    bool cancelled = false;
    lt::error_code error;
    auto const total = small_count_of(torrent.num_pieces());
    // set_piece_hashes cannot be stopped from its callback, so hashing runs to its end unheard.
    lt::set_piece_hashes(torrent, parent_of(plain(request.path)), settings,
        [&](lt::piece_index_t piece) {
            if (!cancelled) cancelled = !progress.report(std::uint32_t(int(piece)) + 1, total);
        }, error);
    if (error) throw std::runtime_error("cannot read the files: " + error.message());
    if (cancelled) throw std::runtime_error("cancelled");
}

}  // namespace

std::unique_ptr<AddParams> author(AuthorRequest const& request, Progress const& progress)
{
    auto files = files_of(request);
    lt::create_torrent torrent(files, int(request.piece_length), flags_of(request));
    describe(torrent, request);
    hash(torrent, request, progress);
    std::vector<char> const bytes = torrent.generate_buf();
    auto impl = std::make_unique<AddParams::Impl>();
    impl->params = lt::load_torrent_buffer(bytes);
    impl->params.save_path = parent_of(plain(request.path));
    auto made = std::make_unique<AddParams>(std::move(impl));
    made->claim_all_pieces();
    return made;
}

}  // namespace cove
