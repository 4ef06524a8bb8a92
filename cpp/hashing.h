// Hashes the files of a torrent that is being made.
#pragma once

#include <cstdint>
#include <string>

#include <libtorrent/create_torrent.hpp>

#include "cove/src/engine/ffi.rs.h"
#include "reuse.h"

namespace cove {

// Puts the hash of every piece into `torrent`; its files lie in `parent`. Pieces that `reuse` knows
// are not read. Throws when a file cannot
// be read in its full length, or "cancelled" when `progress` says so.
void hash_files(lt::create_torrent& torrent, std::string const& parent, std::uint32_t threads,
                Reuse const& reuse, Progress const& progress);

}  // namespace cove
