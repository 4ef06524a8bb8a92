// The hashes of a piece, begun while its blocks are in memory.
#pragma once

#include <vector>

#include <libtorrent/hasher.hpp>
#include <libtorrent/sha1_hash.hpp>

#include "disk/job.h"
#include "disk/storage.h"

namespace cove::disk {

// How far the hashing of one piece is. SHA-1 goes through the piece from its beginning to its end;
// SHA-256 takes each block for itself.
class Hashing {
public:
    // A block that is in memory.
    void feed(Storage const& storage, lt::piece_index_t piece, int offset,
              lt::span<char const> bytes, bool with_v1);

    // The rest from the files, then the result: the v1 hash if it is wanted, the hashes of the
    // blocks into `v2` unless that is empty.
    lt::sha1_hash finish(Storage& storage, lt::piece_index_t piece, bool with_v1,
                         lt::span<lt::sha256_hash> v2, Scratch& scratch, lt::storage_error& error);

    // Bytes that SHA-1 went through.
    int hashed() const { return hashed_; }

private:
    struct Piece;
    bool needs(Piece const& piece, int block) const;
    void read_blocks(Piece const& piece, int first, int end, Scratch& scratch,
                     lt::storage_error& error);

    lt::hasher v1_;
    int hashed_ = 0;
    // By block; all zeros if it is not known.
    std::vector<lt::sha256_hash> v2_;
};

// The v2 hash of the block at `offset`, from the files.
lt::sha256_hash hash_block(Storage& storage, lt::piece_index_t piece, int offset, Scratch& scratch,
                           lt::storage_error& error);

// A piece whose v1 hash alone is wanted.
struct PlainPiece {
    Storage& storage;
    lt::piece_index_t index;
    lt::sha1_hash& v1;
    lt::storage_error& error;

    int bytes() const { return storage.piece_bytes(index); }
};

// Two of one size at once, from the files; `Sha1Pair` takes that size.
void hash_two(PlainPiece const& first, PlainPiece const& second, Scratch& scratch);

}  // namespace cove::disk
