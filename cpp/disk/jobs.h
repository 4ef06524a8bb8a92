// The kinds of work that go side by side with others of the same torrent.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <libtorrent/peer_request.hpp>

#include "disk/buffers.h"
#include "disk/torrent.h"

namespace cove::disk {

// Bytes for a peer.
class ReadJob final : public Job {
public:
    using Done = std::function<void(lt::disk_buffer_holder, lt::storage_error const&)>;

    ReadJob(std::shared_ptr<Torrent> torrent, lt::peer_request const& request, Buffers& buffers,
            std::function<void(ReadJob&)> end)
        : torrent(std::move(torrent)), request(request), buffers_(buffers), end_(std::move(end))
    {
    }

    // Takes what is in memory of `block`; the file may not have it yet.
    void overlay(Block const& block);

    void run(Scratch& scratch) override;
    void tell() override { end_(*this); }
    // Often the system has the bytes in memory.
    bool is_long() const override { return false; }

    std::shared_ptr<Torrent> torrent;
    lt::peer_request request;
    lt::disk_buffer_holder bytes;

private:
    Buffers& buffers_;
    std::function<void(ReadJob&)> end_;
    // What is in `bytes` already: from, to.
    std::vector<std::pair<int, int>> known_;
};

// The hashes of a piece that is in the files.
class HashJob final : public Job {
public:
    HashJob(std::shared_ptr<Torrent> torrent, lt::piece_index_t piece, HashRequest request,
            bool is_check, std::function<void(HashJob&)> end)
        : torrent(std::move(torrent)),
          piece(piece),
          request(std::move(request)),
          end_(std::move(end)),
          is_check_(is_check),
          round_(this->torrent->round)
    {
    }

    void run(Scratch& scratch) override;
    // With another one of v1 alone and of the same size.
    bool goes_with(Job const& other) const override;
    void run_with(Job& other, Scratch& scratch) override;
    void tell() override { end_(*this); }

    std::shared_ptr<Torrent> torrent;
    lt::piece_index_t piece;
    HashRequest request;
    lt::sha1_hash v1;

private:
    bool is_plain() const { return request.with_v1 && request.v2.empty(); }
    // True: nobody wants it any more, and `error` says so.
    bool is_given_up();
    PlainPiece plain() { return {torrent->storage, piece, v1, error}; }

    std::function<void(HashJob&)> end_;
    bool is_check_;
    int round_;
};

// Writes blocks of one piece and hashes them while they are warm; with a request, all of it.
// `error` is about the writes alone.
class PieceJob final : public Job {
public:
    struct Part {
        int offset;
        lt::span<char> bytes;
        bool is_written;
    };

    PieceJob(std::shared_ptr<Torrent> torrent, lt::piece_index_t piece,
             std::function<void(PieceJob&)> end)
        : torrent(std::move(torrent)), piece(piece), end_(std::move(end))
    {
    }

    void run(Scratch& scratch) override;
    void tell() override { end_(*this); }
    bool is_long() const override { return false; }

    std::shared_ptr<Torrent> torrent;
    lt::piece_index_t piece;
    // In the order of their offsets.
    std::vector<Part> parts;
    Hashing hashing;
    // Whether `parts` can be hashed as they are.
    bool can_feed = true;
    bool with_v1 = true;
    std::optional<HashRequest> request;
    lt::sha1_hash v1;
    lt::storage_error hash_error;
    int writes = 0;

private:
    void write();

    std::function<void(PieceJob&)> end_;
};

// Anything else: `work` is done on another thread, `end` gets what it returned.
template <typename Result>
class Task final : public Job {
public:
    using Work = std::function<Result(lt::storage_error&, Scratch&)>;
    using End = std::function<void(Result&, lt::storage_error const&)>;

    // `unless`: the result if the work could not be done.
    Task(Result unless, Work work, End end)
        : result_(std::move(unless)), work_(std::move(work)), end_(std::move(end))
    {
    }

    void run(Scratch& scratch) override { result_ = work_(error, scratch); }
    void tell() override { end_(result_, error); }

private:
    Result result_;
    Work work_;
    End end_;
};

}  // namespace cove::disk
