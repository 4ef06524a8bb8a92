#include "disk/hashing.h"

#include <algorithm>
#include <tuple>

#include "sha1_pair.h"

namespace cove::disk {
namespace {

constexpr int block_bytes = lt::default_block_size;
constexpr int blocks_at_once = int(Scratch::bytes) / block_bytes;

int blocks_in(int bytes) { return (bytes + block_bytes - 1) / block_bytes; }

}  // namespace

struct Hashing::Piece {
    Storage& storage;
    lt::piece_index_t index;
    // Bytes that count for each hash; 0 if it is not wanted.
    int v1_bytes;
    int v2_bytes;

    int bytes() const { return std::max(v1_bytes, v2_bytes); }
};

void Hashing::feed(Storage const& storage, lt::piece_index_t piece, int offset,
                   lt::span<char const> bytes, bool with_v1)
{
    if (with_v1 && offset == hashed_) {
        v1_.update(bytes);
        hashed_ += int(bytes.size());
    }
    int const in_piece = storage.piece_bytes_v2(piece);
    if (offset >= in_piece) return;
    int const length = std::min(block_bytes, in_piece - offset);
    if (bytes.size() < length) return;
    v2_.resize(std::size_t(blocks_in(in_piece)));
    v2_[std::size_t(offset / block_bytes)] = lt::hasher256(bytes.first(length)).final();
}

lt::sha1_hash Hashing::finish(Storage& storage, lt::piece_index_t index, bool with_v1,
                              lt::span<lt::sha256_hash> v2, Scratch& scratch,
                              lt::storage_error& error)
{
    Piece const piece{storage, index, with_v1 ? storage.piece_bytes(index) : 0,
                      v2.empty() ? 0 : storage.piece_bytes_v2(index)};
    v2_.resize(std::size_t(blocks_in(piece.v2_bytes)));
    int const blocks = blocks_in(piece.bytes());
    for (int block = 0; block < blocks && !error;) {
        int end = block;
        while (end < blocks && end - block < blocks_at_once && needs(piece, end)) ++end;
        if (end > block) read_blocks(piece, block, end, scratch, error);
        block = std::max(end, block + 1);
    }
    auto const count = std::min(std::ptrdiff_t(v2_.size()), v2.size());
    std::copy_n(v2_.begin(), count, v2.begin());
    return with_v1 ? v1_.final() : lt::sha1_hash();
}

bool Hashing::needs(Piece const& piece, int block) const
{
    int const begin = block * block_bytes;
    bool const for_v1 = std::min(begin + block_bytes, piece.v1_bytes) > hashed_;
    return for_v1 || (begin < piece.v2_bytes && v2_[std::size_t(block)].is_all_zeros());
}

void Hashing::read_blocks(Piece const& piece, int first, int end, Scratch& scratch,
                          lt::storage_error& error)
{
    int const begin = first * block_bytes;
    int const stop = std::min(end * block_bytes, piece.bytes());
    auto const bytes = scratch.first.place(piece.storage.files(), piece.index, begin, stop - begin);
    piece.storage.read(piece.index, begin, bytes, error);
    if (error) return;
    int const v1_stop = std::min(stop, piece.v1_bytes);
    if (v1_stop > hashed_) {
        v1_.update(bytes.subspan(hashed_ - begin, v1_stop - hashed_));
        hashed_ = v1_stop;
    }
    for (int block = first; block < end; ++block) {
        int const offset = block * block_bytes;
        auto const length = std::min(block_bytes, piece.v2_bytes - offset);
        if (length <= 0 || !v2_[std::size_t(block)].is_all_zeros()) continue;
        v2_[std::size_t(block)] = lt::hasher256(bytes.subspan(offset - begin, length)).final();
    }
}

lt::sha256_hash hash_block(Storage& storage, lt::piece_index_t piece, int offset, Scratch& scratch,
                           lt::storage_error& error)
{
    int const length = std::min(block_bytes, storage.piece_bytes_v2(piece) - offset);
    if (length <= 0) {
        error.ec = make_error_code(lt::errors::invalid_request);
        error.operation = lt::operation_t::file_read;
        return {};
    }
    auto const bytes = scratch.first.place(storage.files(), piece, offset, length);
    storage.read(piece, offset, bytes, error);
    return error ? lt::sha256_hash() : lt::hasher256(bytes).final();
}

void hash_two(PlainPiece const& first, PlainPiece const& second, Scratch& scratch)
{
    Sha1Pair v1;
    for (int start = 0; start < first.bytes();) {
        auto const length = std::min(int(Scratch::bytes), first.bytes() - start);
        auto const one = scratch.first.place(first.storage.files(), first.index, start, length);
        auto const two = scratch.second.place(second.storage.files(), second.index, start, length);
        first.storage.read(first.index, start, one, first.error);
        second.storage.read(second.index, start, two, second.error);
        if (first.error || second.error) break;
        v1.update(one, two);
        start += length;
    }
    // The one that can be read is not to blame for the other.
    auto const alone = [&](PlainPiece const& piece) {
        piece.v1 = Hashing().finish(piece.storage, piece.index, true, {}, scratch, piece.error);
    };
    if (!first.error && !second.error) std::tie(first.v1, second.v1) = v1.finish();
    else if (!first.error) alone(first);
    else if (!second.error) alone(second);
}

}  // namespace cove::disk
