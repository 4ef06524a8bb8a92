// Lets only members connect to the torrents that are for members: everybody is judged by the Rust
// side when a connection learns its torrent, before a byte of ours is sent. Of those that may stay it
// tells at their end how much passed.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include <libtorrent/extensions.hpp>

#include "cove/src/engine/ffi.rs.h"

namespace cove {

class TorrentDoor;

// The doors of a session's torrents, by token. Touched on libtorrent's network thread only.
class Doors {
public:
    void put(std::uint64_t token, std::weak_ptr<TorrentDoor> door);
    // Judges the connected members of a torrent again, and disconnects those that are none any more.
    void judge_again(std::uint64_t token) const;

private:
    std::unordered_map<std::uint64_t, std::weak_ptr<TorrentDoor>> by_token_;
    // At this size what is gone is taken out.
    std::size_t sweep_at_ = 64;
};

// `gate` must outlive the session.
std::shared_ptr<lt::plugin> make_gate(Gate const& gate, std::shared_ptr<Doors> doors);

}  // namespace cove
