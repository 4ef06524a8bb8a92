// From foreign bytes to add parameters, and what the parameters say.
#include <algorithm>
#include <stdexcept>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/read_resume_data.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/write_resume_data.hpp>

#include "compat.h"
#include "convert.h"
#include "impl.h"
#include "names.h"

namespace cove {
namespace {

// Deepest path (rule F2).
constexpr std::ptrdiff_t depth_max = 100;
// More than a torrent in good faith has, few enough for libtorrent.
constexpr int name_collisions_max = 200;
// Largest torrent: 2^53 - 1, the last whole number that JSON's readers agree on (rule F4).
constexpr std::int64_t total_max = (std::int64_t(1) << 53) - 1;

lt::span<char const> chars(rust::Slice<std::uint8_t const> bytes)
{
    return {reinterpret_cast<char const*>(bytes.data()), std::ptrdiff_t(bytes.size())};
}

std::unique_ptr<AddParams> own(lt::add_torrent_params params)
{
    auto impl = std::make_unique<AddParams::Impl>();
    impl->params = std::move(params);
    return std::make_unique<AddParams>(std::move(impl));
}

std::runtime_error too_many_files(ParseLimits const& limits)
{
    return std::runtime_error("it has more than " + std::to_string(limits.files) + " files");
}

// Files in a v2 file tree; each name leads to a folder, or by an empty name to a file. The
// recursion is bounded by the depth limit of the decoder.
std::size_t count_tree(lt::bdecode_node const& tree)
{
    std::size_t count = 0;
    for (int i = 0; i < tree.dict_size(); ++i) {
        auto const [name, child] = tree.dict_at(i);
        if (name.empty()) ++count;
        else if (child.type() == lt::bdecode_node::dict_t) count += count_tree(child);
    }
    return count;
}

std::size_t count_files(lt::bdecode_node const& info)
{
    auto const list = info.dict_find_list("files");
    auto const tree = info.dict_find_dict("file tree");
    auto const listed = list ? std::size_t(list.list_size()) : 0;
    return std::max(listed, tree ? count_tree(tree) : 0);
}

// libtorrent gives equal names numbers in a time that grows with the square of their count:
// 50,000 took minutes in 2.0.8. Reading the info dictionary alone does not do that.
void check_collisions(lt::bdecode_node const& dictionary, ParseLimits const& limits)
{
    lt::torrent_info info{lt::info_hash_t{}};
    lt::error_code error;
    if (!info.parse_info_section(dictionary, error, int(limits.pieces))) {
        throw lt::system_error(error);
    }
    auto const count = count_collisions(info.files());
    if (count > name_collisions_max) {
        throw std::runtime_error(std::to_string(count) + " of its files share a name");
    }
}

// Before libtorrent builds its file list, whose cost grows faster than the number of files.
void check_file_list(lt::bdecode_node const& torrent, ParseLimits const& limits)
{
    if (torrent.type() != lt::bdecode_node::dict_t) throw std::runtime_error("it is no dictionary");
    auto const info = torrent.dict_find_dict("info");
    if (!info) throw std::runtime_error("it has no info dictionary");
    auto const count = count_files(info);
    if (count > limits.files) throw too_many_files(limits);
    if (count > name_collisions_max) check_collisions(info, limits);
}

// Whether what is known of a torrent's hashes is said by its metadata too.
// A record of an interrupted check holds as many pieces as were counted. Several are hashed at once,
// so one before the last may not have been among them: from the first gap on all is checked anew.
void forget_after_gap(lt::add_torrent_params& params)
{
    auto& have = params.have_pieces;
    auto const info = torrent_file_of(params);
    if (!info || have.size() >= info->num_pieces()) return;
    lt::piece_index_t gap{0};
    while (gap < have.end_index() && have[gap]) ++gap;
    have.resize(static_cast<int>(gap));
}

bool is_of(lt::info_hash_t const& known, lt::info_hash_t const& found)
{
    return (!known.has_v1() || known.v1 == found.v1) && (!known.has_v2() || known.v2 == found.v2);
}

// Symbolic links (BEP 47) are not made (rule F3): they become empty files.
void drop_links(lt::add_torrent_params& params)
{
    lt::file_storage const& files = params.ti->files();
    bool has_links = false;
    for (auto const index : files.file_range()) {
        has_links |= bool(files.file_flags(index) & lt::file_storage::flag_symlink);
    }
    if (!has_links) return;
    if (files.v2()) throw std::runtime_error("it holds symbolic links, which are not made here");
    lt::file_storage plain;
    plain.set_name(files.name());
    plain.set_piece_length(files.piece_length());
    for (auto const index : files.file_range()) {
        auto const flags = files.file_flags(index) & ~lt::file_storage::flag_symlink;
        plain.add_file(files.file_path(index), files.file_size(index), flags, files.mtime(index));
    }
    plain.set_num_pieces(files.num_pieces());
    auto without = std::make_shared<lt::torrent_info>(*params.ti);
    without->remap_files(plain);
    params.ti = std::move(without);
}

}  // namespace

void check_files(lt::file_storage const& files, ParseLimits const& limits)
{
    if (files.num_files() > int(limits.files)) throw too_many_files(limits);
    if (files.total_size() > total_max) throw std::runtime_error("its total size is over 2^53");
    for (auto const index : files.file_range()) {
        auto const path = files.file_path(index);
        if (std::count(path.begin(), path.end(), '/') < depth_max) continue;
        throw std::runtime_error("a file lies deeper than 100 folders");
    }
}

AddParams::AddParams(std::unique_ptr<Impl> from) : impl(std::move(from)) {}
AddParams::~AddParams() = default;

void defuse(lt::add_torrent_params& params)
{
    if (!torrent_file_of(params)) return;
    drop_links(params);
    for (auto const& [file, name] : clean_names(*torrent_file_of(params), params.renamed_files)) {
        params.renamed_files[file] = name;
    }
}

std::unique_ptr<AddParams> parse_torrent(rust::Slice<std::uint8_t const> bytes,
                                         ParseLimits const& limits)
{
    if (bytes.size() > limits.bytes) {
        throw std::runtime_error("it is larger than " + std::to_string(limits.bytes) + " bytes");
    }
    lt::load_torrent_limits config;
    config.max_buffer_size = int(limits.bytes);
    config.max_pieces = int(limits.pieces);
    config.max_decode_depth = int(limits.depth);
    config.max_decode_tokens = int(limits.tokens);
    lt::error_code error;
    auto const torrent = lt::bdecode(chars(bytes), error, nullptr, config.max_decode_depth,
                                     config.max_decode_tokens);
    if (error) throw lt::system_error(error);
    check_file_list(torrent, limits);
    auto params = lt::load_torrent_parsed(torrent, config);
    check_files(torrent_file_of(params)->files(), limits);
    defuse(params);
    return own(std::move(params));
}

std::unique_ptr<AddParams> parse_magnet(rust::Str uri)
{
    auto params = lt::parse_magnet_uri(lt::string_view(uri.data(), uri.size()));
    if (!params.info_hashes.has_v1() && !params.info_hashes.has_v2()) {
        throw std::runtime_error("it names no info-hash");
    }
    // A magnet link may ask to connect to any address, ours included (rule F7).
    params.peers.clear();
    params.dht_nodes.clear();
    params.url_seeds.clear();
    return own(std::move(params));
}

std::unique_ptr<AddParams> parse_resume(rust::Slice<std::uint8_t const> resume,
                                        rust::Slice<std::uint8_t const> metadata)
{
    auto params = lt::read_resume_data(chars(resume));
    if (!metadata.empty()) {
        lt::load_torrent_limits config;
        config.max_buffer_size = int(metadata.size()) + 1;
        auto told = lt::load_torrent_buffer(chars(metadata), config);
        if (!torrent_file_of(told)) throw std::runtime_error("the metadata is damaged");
        if (!is_of(params.info_hashes, told.info_hashes)) {
            throw std::runtime_error("the metadata is of another torrent");
        }
        params.ti = told.ti;
        params.info_hashes = told.info_hashes;
        if (params.merkle_trees.empty()) {
            params.merkle_trees = std::move(told.merkle_trees);
            params.merkle_tree_mask = std::move(told.merkle_tree_mask);
        }
        if (params.trackers.empty()) {
            params.trackers = told.trackers;
            params.tracker_tiers = told.tracker_tiers;
        }
    }
    forget_after_gap(params);
    defuse(params);
    return own(std::move(params));
}

void describe_metadata(lt::torrent_info const& info, Description& into)
{
    lt::file_storage const& files = info.files();
    into.has_metadata = true;
    into.piece_length = small_count_of(files.piece_length());
    into.piece_count = small_count_of(files.num_pieces());
    into.total_size = count_of(files.total_size());
    into.is_private = info.priv();
    // By the names that the torrent gave: a renamed file is not alone in a folder.
    auto const first = info.orig_files().file_path(lt::file_index_t(0));
    into.has_folder = info.num_files() > 1 || first.find('/') != std::string::npos;
    into.comment = foreign(info.comment());
    for (auto const index : files.file_range()) {
        into.files.push_back(FileEntry{lossy(files.file_path(index)), count_of(files.file_size(index)),
                                       count_of(files.file_offset(index)), files.pad_file_at(index)});
    }
}

Description describe_params(lt::add_torrent_params const& params)
{
    Description to{};
    auto const info = torrent_file_of(params);
    to.hashes = hashes_of(info ? info->info_hashes() : params.info_hashes);
    to.name = lossy(clean_name(params.name.empty() && info ? info->name() : params.name));
    if (info) describe_metadata(*info, to);
    for (auto const& [index, path] : params.renamed_files) {
        auto const at = std::size_t(static_cast<int>(index));
        if (at < to.files.size()) to.files[at].path = lossy(path);
    }
    for (std::size_t i = 0; i < params.trackers.size(); ++i) {
        int const tier = i < params.tracker_tiers.size() ? params.tracker_tiers[i] : 0;
        to.trackers.push_back(
            TrackerEntry{lossy(params.trackers[i]), std::uint8_t(std::clamp(tier, 0, 255))});
    }
    for (auto const& url : params.url_seeds) to.web_seeds.push_back(lossy(url));
    to.save_path = lossy(params.save_path);
    for (auto const priority : params.file_priorities) {
        to.file_priorities.push_back(static_cast<std::uint8_t>(priority));
    }
    to.pieces = bits_of(params.have_pieces);
    to.is_paused = bool(params.flags & lt::torrent_flags::paused);
    to.is_auto_managed = bool(params.flags & lt::torrent_flags::auto_managed);
    to.added_at = params.added_time;
    to.completed_at = params.completed_time;
    to.download_limit = params.download_limit;
    to.upload_limit = params.upload_limit;
    return to;
}

Description AddParams::describe() const { return describe_params(impl->params); }

void AddParams::set_options(AddOptions const& options)
{
    auto& params = impl->params;
    auto const set = [&params](lt::torrent_flags_t flag, bool on) {
        params.flags = on ? params.flags | flag : params.flags & ~flag;
    };
    params.save_path = plain(options.save_path);
    if (!options.name.empty()) params.name = plain(options.name);
    params.file_priorities.clear();
    for (auto const priority : options.file_priorities) {
        params.file_priorities.push_back(lt::download_priority_t(priority));
    }
    for (auto const& tracker : options.trackers) {
        params.trackers.push_back(plain(tracker.url));
        params.tracker_tiers.resize(params.trackers.size(), 0);
        params.tracker_tiers.back() = tracker.tier;
    }
    set(lt::torrent_flags::sequential_download, options.is_sequential);
    set(lt::torrent_flags::disable_dht, options.disable_dht);
    set(lt::torrent_flags::disable_lsd, options.disable_lsd);
    set(lt::torrent_flags::disable_pex, options.disable_pex);
    set_running(options.is_paused, options.is_auto_managed);
    params.storage_mode = options.pre_allocate ? lt::storage_mode_allocate : lt::storage_mode_sparse;
    params.download_limit = options.download_limit;
    params.upload_limit = options.upload_limit;
    params.max_connections = options.max_connections;
    params.max_uploads = options.max_uploads;
    if (options.added_at != 0) params.added_time = std::time_t(options.added_at);
}

void AddParams::set_running(bool is_paused, bool is_auto_managed)
{
    auto& flags = impl->params.flags;
    flags &= ~(lt::torrent_flags::paused | lt::torrent_flags::auto_managed);
    if (is_paused) flags |= lt::torrent_flags::paused;
    if (is_auto_managed) flags |= lt::torrent_flags::auto_managed;
}

void AddParams::set_save_path(rust::Str path) { impl->params.save_path = std::string(path); }

void AddParams::set_max_connections(std::int32_t count) { impl->params.max_connections = count; }

void AddParams::replace_trackers(rust::Slice<rust::String const> urls)
{
    impl->params.trackers.clear();
    for (auto const& url : urls) impl->params.trackers.push_back(plain(url));
    impl->params.tracker_tiers.assign(impl->params.trackers.size(), 0);
    // Else libtorrent adds those of the torrent file.
    impl->params.flags |= lt::torrent_flags::override_trackers;
}

void AddParams::replace_web_seeds(rust::Slice<rust::String const> urls)
{
    impl->params.url_seeds.clear();
    for (auto const& url : urls) impl->params.url_seeds.push_back(plain(url));
    impl->params.flags |= lt::torrent_flags::override_web_seeds;
}

void AddParams::replace_http_seeds(rust::Slice<rust::String const> urls)
{
    impl->params.http_seeds.clear();
    for (auto const& url : urls) impl->params.http_seeds.push_back(plain(url));
    impl->params.flags |= lt::torrent_flags::override_web_seeds;
}

void AddParams::forget_pieces()
{
    impl->params.have_pieces.clear();
    impl->params.verified_pieces.clear();
    impl->params.unfinished_pieces.clear();
    impl->params.flags &= ~lt::torrent_flags::seed_mode;
}

void AddParams::claim_all_pieces()
{
    auto const info = torrent_file_of(impl->params);
    if (!info) throw std::runtime_error("without metadata no piece can be claimed");
    impl->params.have_pieces.clear();
    impl->params.have_pieces.resize(info->num_pieces(), true);
}

rust::Vec<std::uint8_t> AddParams::resume_bytes() const
{
    auto params = impl->params;
    // The metadata stands in a record of its own; what identifies the torrent stays.
    if (auto const info = torrent_file_of(params)) params.info_hashes = info->info_hashes();
    params.ti.reset();
    return bytes_of(lt::write_resume_data_buf(params));
}

rust::Vec<std::uint8_t> AddParams::metadata_bytes() const
{
    return bytes_of(lt::write_torrent_file_buf(impl->params, lt::write_flags::allow_missing_piece_layer));
}

rust::String AddParams::magnet_link() const { return lossy(lt::make_magnet_uri(impl->params)); }

}  // namespace cove
