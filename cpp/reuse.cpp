#include "reuse.h"

#include <map>
#include <set>
#include <utility>

#include <libtorrent/load_torrent.hpp>

namespace cove {
namespace {

// A file's path below the folder; empty for a torrent that is one file.
std::string below_top(std::string const& path)
{
    auto const end = path.find('/');
    return end == std::string::npos ? std::string() : path.substr(end + 1);
}

std::unique_ptr<lt::torrent_info const> read(rust::Vec<std::uint8_t> const& bytes)
{
    lt::span<char const> const buffer(reinterpret_cast<char const*>(bytes.data()), std::ptrdiff_t(bytes.size()));
    // What we made ourselves keeps no limit but its own size.
    lt::load_torrent_limits limits;
    limits.max_buffer_size = int(bytes.size()) + 1;
    limits.max_decode_tokens = int(bytes.size()) + 1;
    return std::make_unique<lt::torrent_info const>(buffer, limits, lt::from_span);
}

}  // namespace

Reuse::Reuse(AuthorRequest const& request, lt::create_torrent const& torrent)
    : files_(torrent.files()), is_v1_(!torrent.is_v2_only()), is_v2_(!torrent.is_v1_only())
{
    if (request.former.empty()) return;
    auto former = read(request.former);
    auto const hashes = former->info_hashes();
    if (former->piece_length() != files_.piece_length()) return;
    if ((is_v1_ && !hashes.has_v1()) || (is_v2_ && !hashes.has_v2())) return;

    std::set<std::string> unchanged;
    for (auto const& file : request.files) {
        if (file.is_unchanged) unchanged.insert(std::string(file.path));
    }
    std::map<std::string, lt::file_index_t> known;
    for (auto const file : former->files().file_range()) {
        if (!former->files().pad_file_at(file)) known[below_top(former->files().file_path(file))] = file;
    }
    for (auto const file : files_.file_range()) {
        auto const path = files_.pad_file_at(file) ? std::string() : below_top(files_.file_path(file));
        auto const found = known.find(path);
        auto const is_same = !files_.pad_file_at(file) && unchanged.count(path) != 0 && found != known.end()
            && former->files().file_size(found->second) == files_.file_size(file);
        former_files_.push_back(is_same ? std::optional(found->second) : std::nullopt);
    }
    former_ = std::move(former);
}

bool Reuse::take(lt::create_torrent& torrent, lt::piece_index_t piece) const
{
    if (!former_) return false;
    auto const first = files_.file_index_at_piece(piece);
    auto const has_v2 = is_v2_ && !files_.pad_file_at(first);
    auto const v1 = is_v1_ ? same_piece(piece) : std::nullopt;
    auto const v2 = has_v2 ? same_root(piece) : std::nullopt;
    if ((is_v1_ && !v1) || (has_v2 && !v2)) return false;
    if (v1) torrent.set_hash(piece, former_->hash_for_piece(*v1));
    if (v2) {
        auto const begin = int(files_.file_offset(first) / files_.piece_length());
        torrent.set_hash2(first, lt::piece_index_t::diff_type(static_cast<int>(piece) - begin), *v2);
    }
    return true;
}

// The former piece of the very same bytes: of the same files, at the same places, and as long.
std::optional<lt::piece_index_t> Reuse::same_piece(lt::piece_index_t piece) const
{
    auto const size = files_.piece_size(piece);
    auto const parts = files_.map_block(piece, 0, size);
    auto const& former = former_->files();
    auto const file_of = [&](lt::file_slice const& part) {
        return former_files_[std::size_t(static_cast<int>(part.file_index))];
    };
    if (parts.empty() || !file_of(parts.front())) return std::nullopt;
    auto const start = former.file_offset(*file_of(parts.front())) + parts.front().offset;
    if (start % former.piece_length() != 0) return std::nullopt;
    lt::piece_index_t const found(int(start / former.piece_length()));
    if (former.piece_size(found) != size) return std::nullopt;
    auto const were = former.map_block(found, 0, size);
    if (were.size() != parts.size()) return std::nullopt;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].size != were[i].size) return std::nullopt;
        auto const is_padding = files_.pad_file_at(parts[i].file_index);
        if (is_padding != former.pad_file_at(were[i].file_index)) return std::nullopt;
        if (is_padding) continue;
        if (file_of(parts[i]) != were[i].file_index || parts[i].offset != were[i].offset) return std::nullopt;
    }
    return found;
}

// The root above the piece in the tree of its file, which does not depend on where the file lies.
std::optional<lt::sha256_hash> Reuse::same_root(lt::piece_index_t piece) const
{
    auto const file = files_.file_index_at_piece(piece);
    auto const was = former_files_[std::size_t(static_cast<int>(file))];
    if (!was) return std::nullopt;
    if (files_.file_size(file) <= files_.piece_length()) return former_->files().root(*was);
    auto const layer = former_->piece_layer(*was);
    auto const begin = int(files_.file_offset(file) / files_.piece_length());
    auto const at = std::ptrdiff_t(static_cast<int>(piece) - begin) * lt::sha256_hash::size();
    if (layer.size() < at + lt::sha256_hash::size()) return std::nullopt;
    return lt::sha256_hash(layer.subspan(at, lt::sha256_hash::size()).data());
}

}  // namespace cove
