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

namespace cove {

struct AddParams::Impl {
    lt::add_torrent_params params;
};

struct Session::Impl {
    // Declared first, so destroyed last: libtorrent's thread may call it until the session ends.
    std::optional<rust::Box<Waker>> waker;
    std::unique_ptr<lt::session> session;
    // Holds the session's end after abort(); its destructor joins the network thread.
    lt::session_proxy ending;
    std::unordered_map<std::uint64_t, lt::torrent_handle> handles;

    // Throws for a token that is not, or no longer, there.
    lt::torrent_handle const& handle(std::uint64_t token) const;
    lt::session& live() const;
};

// Alert categories the engine listens to.
lt::alert_category_t wanted_alerts();

// `params` in plain values.
Description describe_params(lt::add_torrent_params const& params);
// The info dictionary's part of a description.
void describe_metadata(lt::torrent_info const& info, Description& into);

// `name` without control characters and without those that turn the direction of text (rule F2).
std::string cleaned(std::string const& name);

// Takes out of `params` what a hostile torrent could use against the file system.
void defuse(lt::add_torrent_params& params);

}  // namespace cove
