// What the bridge's types really hold; seen by cpp/ only.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "cove/src/engine/ffi.rs.h"
#include "disk/seals.h"
#include "gate.h"
#include "guard.h"

namespace cove {

struct AddParams::Impl {
    lt::add_torrent_params params;
    // What its files are to look like, if it is a share's.
    std::optional<std::vector<disk::FileMark>> seal;
};

struct Session::Impl {
    // Declared first, so destroyed last: libtorrent's thread may call it until the session ends.
    std::optional<rust::Box<Waker>> waker;
    std::optional<rust::Box<Gate>> gate;
    std::unique_ptr<lt::session> session;
    // Holds the session's end after abort(); its destructor joins the network thread.
    lt::session_proxy ending;
    std::unordered_map<std::uint64_t, lt::torrent_handle> handles;
    // Why metadata from peers was refused.
    std::shared_ptr<Refusals> refusals;
    // Where members of torrents come in.
    std::shared_ptr<Doors> doors;
    // What the files of shares are to look like.
    std::shared_ptr<disk::Seals> seals;

    // Throws for a token that is not, or no longer, there.
    lt::torrent_handle const& handle(std::uint64_t token) const;
    lt::session& live() const;
};

// Alert categories the engine listens to.
lt::alert_category_t wanted_alerts();

// The names that a torrent goes by.
lt::info_hash_t hashes_in(lt::add_torrent_params const& params);

// `params` in plain values.
Description describe_params(lt::add_torrent_params const& params);
// The info dictionary's part of a description.
void describe_metadata(lt::torrent_info const& info, Description& into);

// Throws when a torrent has more files, bytes or folders than it may (rules F2, F4).
void check_files(lt::file_storage const& files, ParseLimits const& limits);

// Takes out of `params` what a hostile torrent could use against the file system (rules F2, F3);
// throws when that cannot be.
void defuse(lt::add_torrent_params& params);

}  // namespace cove
