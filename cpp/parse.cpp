// From foreign bytes to add parameters, and what the parameters say.
#include <algorithm>
#include <set>
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

namespace cove {
namespace {

// Longest part of a path, in bytes, and deepest path (rule F2).
constexpr std::size_t name_max = 255;
constexpr std::ptrdiff_t depth_max = 100;
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

void check_path(std::string const& path)
{
    std::size_t begin = 0;
    std::ptrdiff_t depth = 0;
    while (begin <= path.size()) {
        auto const end = std::min(path.find('/', begin), path.size());
        if (end - begin > name_max) throw std::runtime_error("a file name is longer than 255 bytes");
        if (++depth > depth_max) throw std::runtime_error("a path is deeper than 100 folders");
        begin = end + 1;
    }
}

void check_files(lt::file_storage const& files, ParseLimits const& limits)
{
    if (files.num_files() > int(limits.files)) {
        throw std::runtime_error("it has more than " + std::to_string(limits.files) + " files");
    }
    if (files.total_size() > total_max) throw std::runtime_error("its total size is over 2^53");
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

// Control characters, and those that turn the direction of text (rule F2).
static bool is_treacherous(std::string const& text, std::size_t at)
{
    auto const c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c == 0x7f) return true;
    auto const three = std::string_view(text).substr(at, 3);
    static std::string_view const turns[] = {
        "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d",
        "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"};
    return std::find(std::begin(turns), std::end(turns), three) != std::end(turns);
}

std::string cleaned(std::string const& path)
{
    std::string clean;
    for (std::size_t at = 0; at < path.size();) {
        bool const bad = is_treacherous(path, at);
        auto const width = static_cast<unsigned char>(path[at]) >= 0xe0 && bad ? 3u : 1u;
        clean += bad ? std::string("_") : path.substr(at, 1);
        at += width;
    }
    return clean;
}

AddParams::AddParams(std::unique_ptr<Impl> from) : impl(std::move(from)) {}
AddParams::~AddParams() = default;

void defuse(lt::add_torrent_params& params)
{
    if (!torrent_file_of(params)) return;
    drop_links(params);
    auto const info = torrent_file_of(params);
    lt::file_storage const& files = info->files();
    std::set<std::string> seen;
    for (auto const index : files.file_range()) {
        if (files.pad_file_at(index)) continue;
        auto const told = params.renamed_files.find(index);
        auto const path = told == params.renamed_files.end() ? files.file_path(index) : told->second;
        auto clean = cleaned(path);
        check_path(clean);
        for (int copy = 1; !seen.insert(clean).second; ++copy) {
            clean = cleaned(path) + "." + std::to_string(copy);
        }
        if (clean != path) params.renamed_files[index] = clean;
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
    auto params = lt::load_torrent_buffer(chars(bytes), config);
    auto const info = torrent_file_of(params);
    if (!info) throw std::runtime_error("it has no info dictionary");
    check_files(info->files(), limits);
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
        params.ti = told.ti;
        params.info_hashes = told.info_hashes;
        if (params.trackers.empty()) {
            params.trackers = told.trackers;
            params.tracker_tiers = told.tracker_tiers;
        }
    }
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
    into.has_folder = files.file_path(lt::file_index_t(0)) != files.name();
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
    to.name = lossy(cleaned(params.name.empty() && info ? info->name() : params.name));
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

void AddParams::set_max_connections(std::int32_t count) { impl->params.max_connections = count; }

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
