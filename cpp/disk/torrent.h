// What is under way for one torrent. Network thread only, but for what says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <libtorrent/disk_buffer_holder.hpp>

#include "disk/hashing.h"
#include "disk/line.h"
#include "disk/storage.h"

namespace cove::disk {

using Written = std::function<void(lt::storage_error const&)>;
using Hashed =
    std::function<void(lt::piece_index_t, lt::sha1_hash const&, lt::storage_error const&)>;

// A block in memory, until it is written and hashed.
struct Block {
    enum class State { Waiting, Writing, Written };

    int offset;
    // Its bytes do not change: other threads may read them while they are written.
    lt::disk_buffer_holder bytes;
    Written written;
    State state = State::Waiting;

    int end() const { return offset + int(bytes.size()); }
};

// Somebody waits for the hashes of a piece.
struct HashRequest {
    bool with_v1;
    // Belongs to `hashed`, which is moved and never copied.
    lt::span<lt::sha256_hash> v2;
    Hashed hashed;
};

// A piece that blocks came for.
struct Piece {
    // In the order they came.
    std::vector<Block> blocks;
    // With the job while one is under way.
    Hashing hashing;
    std::optional<HashRequest> request;
    // What wants to see the blocks in the files.
    std::vector<std::function<void()>> after;
    // Which blocks came, by index. One that came twice makes what was hashed worthless.
    std::vector<bool> seen;
    bool is_mixed = false;
    int waiting = 0;
    bool is_busy = false;
    // Its blocks are to be written although they are few.
    bool is_urgent = false;
    // Whether the timer knows of it.
    bool is_listed = false;
};

struct Torrent {
    Torrent(lt::storage_params const& params, std::shared_ptr<void> owner, OpenFiles& open_files,
            Roots const& roots, std::shared_ptr<Seal const> seal, std::uint32_t number)
        : storage(params, std::move(owner), open_files, roots, std::move(seal), number)
    {
    }

    // For every thread, by its own rules.
    Storage storage;
    // Goes up when checks under way are not wanted any more. For every thread.
    std::atomic<int> round{0};
    Line line;
    std::unordered_map<lt::piece_index_t, Piece> pieces;
    // Whether v1 hashes are asked for, as far as is known: nothing else says so beforehand.
    bool with_v1 = true;
};

}  // namespace cove::disk
