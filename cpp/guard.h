// Stops what libtorrent would do by itself: make files of metadata that a peer sent before it was
// judged (rules F2, F3, F4), and download again what is gone from the disk (rule D10).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include <libtorrent/extensions.hpp>

#include "cove/src/engine/ffi.rs.h"

namespace cove {

// Why metadata was refused, by token: told on libtorrent's network thread, read on the engine's.
class Refusals {
public:
    void put(std::uint64_t token, std::string why);
    // Hands it over once.
    std::optional<std::string> take(std::uint64_t token);

private:
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, std::string> by_token_;
};

std::shared_ptr<lt::plugin> make_guard(std::shared_ptr<Refusals> refusals,
                                                ParseLimits const& limits);

}  // namespace cove
