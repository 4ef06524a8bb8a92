// The rounds are those of FIPS 180-4, four by each instruction of the SHA extensions of x86. Other
// processors go by the library, which knows theirs.
#include "sha1_pair.h"

#include <cstddef>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define COVE_SHA_UNIT
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace cove {
namespace {

using State = std::uint32_t[5];

constexpr std::ptrdiff_t block_bytes = 64;

#ifdef COVE_SHA_UNIT

#define COVE_WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))

// One message on its way through the rounds of a block.
struct Lane {
    __m128i abcd;
    __m128i e;
    // The last sixteen words of the message schedule, four in each.
    __m128i words[4];
};

// Rounds 4 * step to 4 * step + 3.
template <int step>
COVE_WITH_SHA inline __attribute__((always_inline)) void four_rounds(Lane& lane, char const* block)
{
    auto& now = lane.words[step % 4];
    if constexpr (step < 4) {
        // The message is big-endian, its first word the highest of the register.
        auto const order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
        auto const raw = _mm_loadu_si128(reinterpret_cast<__m128i const*>(block + 16 * step));
        now = _mm_shuffle_epi8(raw, order);
    } else {
        auto const early = _mm_sha1msg1_epu32(now, lane.words[(step + 1) % 4]);
        auto const mixed = _mm_xor_si128(early, lane.words[(step + 2) % 4]);
        now = _mm_sha1msg2_epu32(mixed, lane.words[(step + 3) % 4]);
    }
    // The first `e` of a block stands as it is; later ones come of the rounds before.
    auto const e = step == 0 ? _mm_add_epi32(lane.e, now) : _mm_sha1nexte_epu32(lane.e, now);
    lane.e = lane.abcd;
    lane.abcd = _mm_sha1rnds4_epu32(lane.abcd, e, step / 5);
}

template <int... steps>
COVE_WITH_SHA inline __attribute__((always_inline)) void
all_rounds(Lane& first, Lane& second, char const* first_block, char const* second_block,
           std::integer_sequence<int, steps...>)
{
    ((four_rounds<steps>(first, first_block), four_rounds<steps>(second, second_block)), ...);
}

COVE_WITH_SHA inline __attribute__((always_inline)) void load(Lane& lane, State const& state)
{
    auto const low = _mm_loadu_si128(reinterpret_cast<__m128i const*>(state));
    lane.abcd = _mm_shuffle_epi32(low, 0x1b);
    lane.e = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
}

COVE_WITH_SHA inline __attribute__((always_inline)) void store(Lane const& lane, State& state)
{
    auto const low = _mm_shuffle_epi32(lane.abcd, 0x1b);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state), low);
    state[4] = static_cast<std::uint32_t>(_mm_extract_epi32(lane.e, 3));
}

COVE_WITH_SHA inline __attribute__((always_inline)) void add(Lane& lane, Lane const& before)
{
    lane.e = _mm_sha1nexte_epu32(lane.e, before.e);
    lane.abcd = _mm_add_epi32(lane.abcd, before.abcd);
}

COVE_WITH_SHA void compress(State (&states)[2], char const* first, char const* second,
                            std::ptrdiff_t bytes)
{
    Lane one;
    Lane two;
    load(one, states[0]);
    load(two, states[1]);
    for (std::ptrdiff_t at = 0; at < bytes; at += block_bytes) {
        auto const one_before = one;
        auto const two_before = two;
        all_rounds(one, two, first + at, second + at, std::make_integer_sequence<int, 20>());
        add(one, one_before);
        add(two, two_before);
    }
    store(one, states[0]);
    store(two, states[1]);
}

bool find_unit()
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
    bool const shuffles = (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    return shuffles && (b & bit_SHA) != 0;
}

#else

void compress(State (&)[2], char const*, char const*, std::ptrdiff_t) {}
bool find_unit() { return false; }

#endif

lt::sha1_hash hash_of(State const& state)
{
    lt::sha1_hash hash;
    for (int i = 0; i < 20; ++i) {
        hash[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return hash;
}

}  // namespace

Sha1Pair::Sha1Pair()
    : has_unit_([] { static bool const found = find_unit(); return found; }()),
      state_{{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0},
             {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}}
{
}

void Sha1Pair::update(lt::span<char const> first, lt::span<char const> second)
{
    if (has_unit_) {
        compress(state_, first.data(), second.data(), first.size());
        bytes_ += static_cast<std::uint64_t>(first.size());
    } else {
        first_.update(first);
        second_.update(second);
    }
}

std::pair<lt::sha1_hash, lt::sha1_hash> Sha1Pair::finish()
{
    if (!has_unit_) return {first_.final(), second_.final()};
    // The end of a message of whole blocks: a bit, zeros, and its length in bits.
    char last[block_bytes] = {static_cast<char>(0x80)};
    for (int i = 0; i < 8; ++i) last[56 + i] = static_cast<char>((bytes_ * 8) >> (56 - 8 * i));
    compress(state_, last, last, block_bytes);
    return {hash_of(state_[0]), hash_of(state_[1])};
}

}  // namespace cove
