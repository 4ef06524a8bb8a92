// The disk back end: plain reads and writes, and hashes made while the blocks are in memory.
//
// It replaces libtorrent's, which maps the files. libtorrent learns a piece's hash only after the
// piece was written (docs/decisions/0001-hash-after-write.md, 0006-own-disk.md).
//
// Everything is decided on libtorrent's network thread, without a lock; other threads only run
// jobs, each with what it was given.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/performance_counters.hpp>
#include <libtorrent/settings_pack.hpp>

#include "disk/buffers.h"
#include "disk/jobs.h"
#include "disk/open_files.h"
#include "disk/roots.h"
#include "disk/seals.h"
#include "disk/torrent.h"
#include "disk/workers.h"

namespace cove::disk {

// A disk_io_constructor for lt::session_params.
using MakeDisk = std::function<std::unique_ptr<lt::disk_interface>(
    lt::io_context&, lt::settings_interface const&, lt::counters&)>;

// Makes files below `roots` only, or everywhere if there are none. Of what is in `seals` when its
// torrent comes, nothing is sent once it was changed.
MakeDisk disk_below(std::vector<std::string> roots, std::shared_ptr<Seals const> seals);

class Disk final : public lt::disk_interface {
public:
    Disk(lt::io_context& context, lt::settings_interface const& settings, lt::counters& counters,
         std::vector<std::string> roots, std::shared_ptr<Seals const> seals);

    lt::storage_holder new_torrent(lt::storage_params const& params,
                                   std::shared_ptr<void> const& owner) override;
    void remove_torrent(lt::storage_index_t storage) override;

    void async_read(lt::storage_index_t storage, lt::peer_request const& request,
                    ReadJob::Done handler, lt::disk_job_flags_t flags) override;
    bool async_write(lt::storage_index_t storage, lt::peer_request const& request,
                     char const* bytes, std::shared_ptr<lt::disk_observer> observer,
                     Written handler, lt::disk_job_flags_t flags) override;
    void async_hash(lt::storage_index_t storage, lt::piece_index_t piece,
                    lt::span<lt::sha256_hash> v2, lt::disk_job_flags_t flags,
                    Hashed handler) override;
    void async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset,
                     lt::disk_job_flags_t flags,
                     std::function<void(lt::piece_index_t, lt::sha256_hash const&,
                                        lt::storage_error const&)> handler) override;
    void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                           std::function<void(lt::piece_index_t)> handler) override;

    void async_check_files(lt::storage_index_t storage, lt::add_torrent_params const* resume,
                           Links links,
                           std::function<void(lt::status_t, lt::storage_error const&)> handler)
        override;
    void async_move_storage(lt::storage_index_t storage, std::string path, lt::move_flags_t flags,
                            std::function<void(lt::status_t, std::string const&,
                                               lt::storage_error const&)> handler) override;
    void async_rename_file(lt::storage_index_t storage, lt::file_index_t file, std::string name,
                           std::function<void(std::string const&, lt::file_index_t,
                                              lt::storage_error const&)> handler) override;
    void async_delete_files(lt::storage_index_t storage, lt::remove_flags_t what,
                            Written handler) override;
    void async_set_file_priority(
        lt::storage_index_t storage, Priorities priorities,
        std::function<void(lt::storage_error const&, Priorities)> handler) override;
    void async_release_files(lt::storage_index_t storage, std::function<void()> handler) override;
    void async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler) override;

    void update_stats_counters(lt::counters& counters) const override;
    std::vector<lt::open_file_state> get_status(lt::storage_index_t storage) const override;
    void submit_jobs() override;
    void settings_updated() override;
    void abort(bool wait) override;

private:
    using TorrentRef = std::shared_ptr<Torrent>;

    // pieces.cpp: blocks, pieces and their hashes
    bool is_full() const;
    bool is_filling() const;
    void add_block(TorrentRef const& torrent, lt::piece_index_t index, Block block);
    void consider(TorrentRef const& torrent, lt::piece_index_t index, Piece& piece);
    void dispatch(TorrentRef const& torrent, lt::piece_index_t index, Piece& piece);
    void piece_done(PieceJob& job);
    void settle_blocks(Piece& piece, bool keep);
    void when_written(TorrentRef const& torrent, lt::piece_index_t index,
                      std::function<void()> start);
    void start_hash(TorrentRef const& torrent, lt::piece_index_t piece, HashRequest request,
                    lt::disk_job_flags_t flags);
    void write_all(TorrentRef const& torrent);
    void write_listed();
    void forget_pieces(Torrent& torrent);

    // disk.cpp: order, threads, and what goes alone
    TorrentRef const& at(lt::storage_index_t storage) const;
    template <typename Start>
    void side_by_side(TorrentRef const& torrent, Start start);
    template <typename Result>
    void alone(lt::storage_index_t storage, Result unless,
               std::function<Result(Storage&, lt::storage_error&)> work,
               std::function<void(Result&, lt::storage_error const&)> end);
    void release(lt::storage_index_t storage, std::function<void()> handler);
    void cancel_checks(Torrent& torrent);
    void leave(Torrent& torrent, int jobs);
    void done(std::shared_ptr<Job> job);
    void drain();
    void wake_observers();
    void arm_timer();
    void tick();
    void end_if_idle();

    lt::io_context& context_;
    lt::executor_work_guard<lt::io_context::executor_type> guard_;
    lt::settings_interface const& settings_;
    lt::counters& counters_;
    // Before all that holds blocks or files.
    Buffers buffers_;
    OpenFiles open_files_;
    Roots const roots_;
    std::shared_ptr<Seals const> const seals_;

    // By storage index; empty where one was removed.
    std::vector<TorrentRef> torrents_;
    std::vector<lt::storage_index_t> free_indices_;
    std::uint32_t next_number_ = 0;

    // Pieces with blocks that wait until there are more of them.
    std::vector<std::pair<std::weak_ptr<Torrent>, lt::piece_index_t>> listed_;
    std::vector<std::weak_ptr<lt::disk_observer>> observers_;
    // Blocks that are not written; blocks that are and wait for their turn to be hashed.
    int unwritten_ = 0;
    int kept_ = 0;
    // Unwritten blocks from which on peers are asked to pause.
    int unwritten_max_ = 0;
    // Accepted and not told.
    int under_way_ = 0;

    boost::asio::steady_timer timer_;
    bool is_armed_ = false;
    // Whether blocks came or went since the timer rang.
    bool is_active_ = false;
    bool is_aborted_ = false;

    // Jobs since the last submit.
    std::vector<std::shared_ptr<Job>> fresh_;
    std::vector<std::shared_ptr<Job>> fresh_hashes_;
    // For every thread.
    std::mutex done_mutex_;
    std::vector<std::shared_ptr<Job>> done_;
    // The last to be made and the first to go: their threads use what is above. Null at the end.
    std::unique_ptr<Workers> io_;
    std::unique_ptr<Workers> hashers_;
};

}  // namespace cove::disk
