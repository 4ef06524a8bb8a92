// The disk back end's part that collects blocks: pieces are written in runs and hashed in order.
#include <algorithm>

#include "disk/disk.h"

namespace cove::disk {
namespace {

// Blocks of a piece that are worth waking a thread for.
constexpr int enough_blocks = 8;
// What may wait, written, for the blocks before it to come: 8 MiB. The rest is read again.
constexpr int kept_blocks_max = 512;

}  // namespace

bool Disk::is_full() const { return unwritten_ >= unwritten_max_; }

// From here on nothing is saved up.
bool Disk::is_filling() const { return unwritten_ >= unwritten_max_ / 2; }

void Disk::add_block(TorrentRef const& torrent, lt::piece_index_t index, Block block)
{
    auto& piece = torrent->pieces[index];
    auto const number = std::size_t(block.offset / lt::default_block_size);
    if (piece.seen.size() <= number) piece.seen.resize(number + 1, false);
    piece.is_mixed |= piece.seen[number];
    piece.seen[number] = true;
    piece.blocks.push_back(std::move(block));
    ++piece.waiting;
    consider(torrent, index, piece);
    if (is_filling()) write_listed();
}

// Writes the piece if it is time to.
void Disk::consider(TorrentRef const& torrent, lt::piece_index_t index, Piece& piece)
{
    if (piece.is_busy || (piece.waiting == 0 && !piece.request)) return;
    bool const is_time = piece.request || piece.is_urgent || !piece.after.empty() || is_aborted_
        || piece.waiting >= enough_blocks || !torrent->line.is_open();
    if (is_time) return dispatch(torrent, index, piece);
    if (!std::exchange(piece.is_listed, true)) listed_.emplace_back(torrent, index);
}

void Disk::dispatch(TorrentRef const& torrent, lt::piece_index_t index, Piece& piece)
{
    auto const end = [this](PieceJob& done) { piece_done(done); };
    auto job = std::make_shared<PieceJob>(torrent, index, end);
    for (auto& block : piece.blocks) {
        bool const is_written = block.state == Block::State::Written;
        job->parts.push_back({block.offset, {block.bytes.data(), block.bytes.size()}, is_written});
        if (!is_written) block.state = Block::State::Writing;
    }
    // Blocks of one place stay in the order they came: the last one counts.
    std::stable_sort(job->parts.begin(), job->parts.end(),
                     [](auto const& a, auto const& b) { return a.offset < b.offset; });
    if (piece.is_mixed) piece.hashing = Hashing();
    job->can_feed = !piece.is_mixed;
    job->hashing = std::move(piece.hashing);
    job->with_v1 = torrent->with_v1;
    job->request = std::move(piece.request);
    piece.request.reset();
    piece.waiting = 0;
    piece.is_urgent = false;
    piece.is_busy = true;
    fresh_.push_back(std::move(job));
}

void Disk::piece_done(PieceJob& job)
{
    auto const& torrent = job.torrent;
    auto& piece = torrent->pieces.at(job.piece);
    piece.is_busy = false;
    std::vector<Written> written;
    for (auto& block : piece.blocks) {
        if (block.state != Block::State::Writing) continue;
        block.state = Block::State::Written;
        written.push_back(std::move(block.written));
    }
    unwritten_ -= int(written.size());
    kept_ += int(written.size());
    counters_.inc_stats_counter(lt::counters::num_blocks_written, int(written.size()));
    counters_.inc_stats_counter(lt::counters::num_write_ops, job.writes);
    // After a failure, or once the hash is known, there is nothing to go on with.
    bool const is_over = job.error || job.request;
    piece.hashing = is_over ? Hashing() : std::move(job.hashing);
    if (is_over) piece.seen.clear();
    settle_blocks(piece, !is_over && !piece.is_mixed && torrent->with_v1);
    if (piece.waiting > 0 || piece.request) {
        piece.is_mixed |= is_over;
        consider(torrent, job.piece, piece);
    } else {
        for (auto const& start : std::exchange(piece.after, {})) start();
        if (is_over) torrent->pieces.erase(job.piece);
    }
    for (auto const& told : written) told(job.error);
    if (job.request) job.request->hashed(job.piece, job.v1, job.hash_error);
    leave(*torrent, int(written.size()) + (job.request ? 1 : 0));
}

// Lets go of blocks that are written. With `keep`, those that SHA-1 has not come to stay, as far
// as there is room.
void Disk::settle_blocks(Piece& piece, bool keep)
{
    auto const is_done = [&](Block const& block) {
        if (block.state != Block::State::Written) return false;
        bool const is_early = block.offset >= piece.hashing.hashed();
        if (keep && is_early && kept_ <= kept_blocks_max) return false;
        --kept_;
        return true;
    };
    auto const end = std::remove_if(piece.blocks.begin(), piece.blocks.end(), is_done);
    piece.blocks.erase(end, piece.blocks.end());
}

// Calls `start` when nothing of the piece waits to be written.
void Disk::when_written(TorrentRef const& torrent, lt::piece_index_t index,
                        std::function<void()> start)
{
    auto const found = torrent->pieces.find(index);
    bool const is_written =
        found == torrent->pieces.end() || (!found->second.is_busy && found->second.waiting == 0);
    if (is_written) return start();
    found->second.after.push_back(std::move(start));
    consider(torrent, index, found->second);
}

void Disk::start_hash(TorrentRef const& torrent, lt::piece_index_t index, HashRequest request,
                      lt::disk_job_flags_t flags)
{
    torrent->with_v1 = request.with_v1;
    auto const found = torrent->pieces.find(index);
    bool const is_check = bool(flags & volatile_read);
    bool const is_new = found != torrent->pieces.end() && !found->second.request && !is_check;
    if (is_new) {
        found->second.request = std::move(request);
        return consider(torrent, index, found->second);
    }
    // A check is about what is in the files.
    auto job = std::make_shared<HashJob>(
        torrent, index, std::move(request), is_check, [this](HashJob& end) {
            end.request.hashed(end.piece, end.v1, end.error);
            leave(*end.torrent, 1);
        });
    when_written(torrent, index, [this, job = std::move(job)] { fresh_hashes_.push_back(job); });
}

// Writes what waits of one torrent.
void Disk::write_all(TorrentRef const& torrent)
{
    for (auto& [index, piece] : torrent->pieces) {
        piece.is_urgent = piece.waiting > 0;
        consider(torrent, index, piece);
    }
}

// Writes what waits for more blocks of its piece.
void Disk::write_listed()
{
    for (auto const& [torrent, index] : std::exchange(listed_, {})) {
        auto const live = torrent.lock();
        if (!live) continue;
        auto const found = live->pieces.find(index);
        if (found == live->pieces.end()) continue;
        found->second.is_listed = false;
        found->second.is_urgent = found->second.waiting > 0;
        consider(live, index, found->second);
    }
}

// Forgets what is known of pieces: from now on the files count. Nothing is under way.
void Disk::forget_pieces(Torrent& torrent)
{
    for (auto const& [index, piece] : torrent.pieces) kept_ -= int(piece.blocks.size());
    torrent.pieces.clear();
}

}  // namespace cove::disk
