#include "disk/jobs.h"

#include <algorithm>
#include <cstring>

#include "sha1_pair.h"

namespace cove::disk {

void ReadJob::overlay(Block const& block)
{
    int const begin = std::max(block.offset, request.start);
    int const end = std::min(block.end(), request.start + request.length);
    if (begin >= end) return;
    if (!bytes) bytes = buffers_.hold(request.length);
    std::memcpy(bytes.data() + (begin - request.start), block.bytes.data() + (begin - block.offset),
                std::size_t(end - begin));
    known_.emplace_back(begin, end);
}

void ReadJob::run(Scratch&)
{
    if (!bytes) bytes = buffers_.hold(request.length);
    std::sort(known_.begin(), known_.end());
    int position = request.start;
    auto const read_to = [&](int end) {
        if (end <= position || error) return;
        lt::span<char> const gap{bytes.data() + (position - request.start), end - position};
        torrent->storage.serve(request.piece, position, gap, error);
    };
    for (auto const& [begin, end] : known_) {
        read_to(begin);
        position = std::max(position, end);
    }
    read_to(request.start + request.length);
}

void HashJob::run(Scratch& scratch)
{
    if (is_given_up()) return;
    v1 = Hashing().finish(torrent->storage, piece, request.with_v1, request.v2, scratch, error);
}

bool HashJob::goes_with(Job const& other) const
{
    auto const job = dynamic_cast<HashJob const*>(&other);
    if (job == nullptr || !is_plain() || !job->is_plain()) return false;
    auto const bytes = torrent->storage.piece_bytes(piece);
    return bytes == job->torrent->storage.piece_bytes(job->piece) && Sha1Pair::takes(bytes);
}

void HashJob::run_with(Job& other, Scratch& scratch)
{
    auto& second = static_cast<HashJob&>(other);
    if (is_given_up()) return second.run(scratch);
    if (second.is_given_up()) return run(scratch);
    hash_two(plain(), second.plain(), scratch);
}

bool HashJob::is_given_up()
{
    if (!is_check_ || round_ == torrent->round) return false;
    error.ec = boost::asio::error::operation_aborted;
    return true;
}

void PieceJob::run(Scratch& scratch)
{
    // libtorrent learns of the failure by the blocks, and it stops the whole torrent for a hash
    // that failed, unless it was given up.
    hash_error.ec = boost::asio::error::operation_aborted;
    write();
    if (error) return;
    for (auto const& part : parts) {
        if (can_feed) hashing.feed(torrent->storage, piece, part.offset, part.bytes, with_v1);
    }
    if (!request) return;
    lt::storage_error failed;
    v1 = hashing.finish(torrent->storage, piece, request->with_v1, request->v2, scratch, failed);
    hash_error = failed;
}

// Blocks that lie side by side go in one call.
void PieceJob::write()
{
    std::vector<iovec> run;
    int begin = 0;
    int end = 0;
    auto const put = [&] {
        if (run.empty() || error) return;
        torrent->storage.write(piece, begin, run, error);
        run.clear();
        ++writes;
    };
    for (auto const& part : parts) {
        if (part.is_written) continue;
        if (part.offset != end) put();
        if (run.empty()) begin = part.offset;
        run.push_back({part.bytes.data(), std::size_t(part.bytes.size())});
        end = part.offset + int(part.bytes.size());
    }
    put();
}

}  // namespace cove::disk
