// Hashes of a torrent that a new one takes the place of, as far as its bytes are still the same.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <libtorrent/create_torrent.hpp>
#include <libtorrent/torrent_info.hpp>

#include "cove/src/engine/ffi.rs.h"

namespace cove {

// The caller says which files did not change; a piece is taken over when all of it lies in such
// files, and lay in the same way in one piece of the former torrent.
class Reuse final {
public:
    // Nothing to be taken over unless the request names a former torrent with pieces as long.
    Reuse(AuthorRequest const& request, lt::create_torrent const& torrent);

    // Puts the hashes of `piece` into `torrent`; false when they are not known.
    bool take(lt::create_torrent& torrent, lt::piece_index_t piece) const;

private:
    std::optional<lt::piece_index_t> same_piece(lt::piece_index_t piece) const;
    std::optional<lt::sha256_hash> same_root(lt::piece_index_t piece) const;

    lt::file_storage const& files_;
    bool const is_v1_;
    bool const is_v2_;
    std::unique_ptr<lt::torrent_info const> former_;
    // For each file that did not change, the former one's index.
    std::vector<std::optional<lt::file_index_t>> former_files_;
};

}  // namespace cove
