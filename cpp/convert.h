// libtorrent's values to the bridge's: hashes, times, text that may not be UTF-8.
#pragma once

#include <chrono>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <libtorrent/client_data.hpp>
#include <libtorrent/info_hash.hpp>
#include <libtorrent/time.hpp>

#include "cove/src/engine/ffi.rs.h"

namespace cove {

// Longest text that a peer or tracker may put before the user, in bytes (rule F13).
constexpr std::size_t foreign_text_max = 256;

// Text from outside: bytes that are not UTF-8 become U+FFFD. rust::String's own constructor throws.
inline rust::String lossy(std::string_view text)
{
    return rust::String::lossy(text.data(), text.size());
}

// Text of a peer or a tracker, cut to its limit.
inline rust::String foreign(std::string_view text) { return lossy(text.substr(0, foreign_text_max)); }

inline std::string plain(rust::Str text) { return std::string(text.data(), text.size()); }

inline std::string plain(rust::String const& text) { return std::string(text.data(), text.size()); }

inline rust::Vec<std::uint8_t> bytes_of(std::vector<char> const& from)
{
    rust::Vec<std::uint8_t> to;
    to.reserve(from.size());
    for (char const c : from) to.push_back(static_cast<std::uint8_t>(c));
    return to;
}

inline Hashes hashes_of(lt::info_hash_t const& from)
{
    Hashes to{};
    to.has_v1 = from.has_v1();
    to.has_v2 = from.has_v2();
    if (to.has_v1) std::memcpy(to.v1.data(), from.v1.data(), to.v1.size());
    if (to.has_v2) std::memcpy(to.v2.data(), from.v2.data(), to.v2.size());
    return to;
}

// The token rides through libtorrent as an address that is never followed.
inline std::uint64_t token_in(lt::client_data_t data)
{
    return std::uint64_t(reinterpret_cast<std::uintptr_t>(data.get<void>()));
}

// A moment on libtorrent's steady clock as Unix seconds; the unset moment is 0.
inline std::int64_t unix_time(lt::time_point moment)
{
    if (moment.time_since_epoch().count() == 0) return 0;
    auto const ago = lt::clock_type::now() - moment;
    return std::int64_t(std::time(nullptr)) - lt::total_seconds(ago);
}

template <typename T>
std::uint64_t count_of(T value)
{
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

template <typename T>
std::uint32_t small_count_of(T value)
{
    return value < 0 ? 0 : static_cast<std::uint32_t>(value);
}

// A byte array as the bits of BEP 3.
template <typename Bits>
rust::Vec<std::uint8_t> bits_of(Bits const& bits)
{
    rust::Vec<std::uint8_t> to;
    auto const size = (bits.size() + 7) / 8;
    to.reserve(std::size_t(size));
    auto const* data = reinterpret_cast<std::uint8_t const*>(bits.data());
    for (int i = 0; i < size; ++i) to.push_back(data[i]);
    return to;
}

}  // namespace cove
