// SHA-1 of two messages at a time.
#pragma once

#include <cstdint>
#include <utility>

#include <libtorrent/hasher.hpp>
#include <libtorrent/sha1_hash.hpp>
#include <libtorrent/span.hpp>

namespace cove {

// Two messages of one length. Each step of SHA-1 needs the one before it, so the processor's SHA
// unit waits half of its time; a second message fills the gap (1.7 times the bytes a second).
// Without such a unit, one after the other.
class Sha1Pair final {
public:
    Sha1Pair();

    // The next bytes of each: equally many, a multiple of 64.
    void update(lt::span<char const> first, lt::span<char const> second);

    std::pair<lt::sha1_hash, lt::sha1_hash> finish();

    // Whether two messages of `bytes` each can be hashed.
    static bool takes(std::int64_t bytes) { return bytes % 64 == 0; }

private:
    bool const has_unit_;
    // Where there is a unit: what SHA-1 calls H0 to H4, and the bytes that went into each.
    std::uint32_t state_[2][5];
    std::uint64_t bytes_ = 0;
    // Where there is none.
    lt::hasher first_;
    lt::hasher second_;
};

}  // namespace cove
