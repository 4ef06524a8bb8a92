#include "disk/disk.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include <libtorrent/add_torrent_params.hpp>

namespace cove::disk {
namespace {

// How long few blocks wait for more of their piece, and free memory for being used again.
constexpr auto patience = std::chrono::milliseconds(250);
// What may wait to be written at least: pieces of many peers, each with a few blocks.
constexpr int unwritten_bytes = 8 * 1024 * 1024;

}  // namespace

MakeDisk disk_below(std::vector<std::string> roots, std::shared_ptr<Seals const> seals)
{
    return [roots = std::move(roots), seals = std::move(seals)](
               lt::io_context& context, lt::settings_interface const& settings,
               lt::counters& counters) {
        return std::make_unique<Disk>(context, settings, counters, roots, seals);
    };
}

Disk::Disk(lt::io_context& context, lt::settings_interface const& settings, lt::counters& counters,
           std::vector<std::string> roots, std::shared_ptr<Seals const> seals)
    : context_(context),
      guard_(lt::make_work_guard(context)),
      settings_(settings),
      counters_(counters),
      roots_(std::move(roots)),
      seals_(std::move(seals)),
      timer_(context)
{
    auto const collect = [this](std::shared_ptr<Job> job) { done(std::move(job)); };
    io_ = std::make_unique<Workers>("disk", collect);
    hashers_ = std::make_unique<Workers>("hash", collect);
    settings_updated();
}

lt::storage_holder Disk::new_torrent(lt::storage_params const& params,
                                     std::shared_ptr<void> const& owner)
{
    auto torrent = std::make_shared<Torrent>(params, owner, open_files_, roots_,
                                             seals_->of(params.info_hash), next_number_++);
    if (free_indices_.empty()) {
        free_indices_.reserve(torrents_.size() + 1);
        free_indices_.push_back(lt::storage_index_t(std::uint32_t(torrents_.size())));
        torrents_.emplace_back();
    }
    auto const index = free_indices_.back();
    free_indices_.pop_back();
    torrents_[static_cast<std::uint32_t>(index)] = std::move(torrent);
    return {index, *this};
}

void Disk::remove_torrent(lt::storage_index_t storage)
{
    auto const torrent = std::move(torrents_[static_cast<std::uint32_t>(storage)]);
    free_indices_.push_back(storage);
    ++under_way_;
    write_all(torrent);
    // Jobs keep the torrent until then.
    torrent->line.enter(true, [this, last = torrent.get()] {
        forget_pieces(*last);
        leave(*last, 1);
    });
}

void Disk::async_read(lt::storage_index_t storage, lt::peer_request const& request,
                      ReadJob::Done handler, lt::disk_job_flags_t)
{
    if (request.length <= 0 || request.length > lt::default_block_size || request.start < 0) {
        lt::storage_error const error(make_error_code(lt::errors::invalid_request),
                                      lt::operation_t::file_read);
        lt::post(context_, [told = std::move(handler), error] { told({}, error); });
        return;
    }
    auto const& torrent = at(storage);
    auto job = std::make_shared<ReadJob>(
        torrent, request, buffers_, [this, told = std::move(handler)](ReadJob& end) {
            counters_.inc_stats_counter(lt::counters::num_blocks_read);
            counters_.inc_stats_counter(lt::counters::num_read_ops);
            told(std::move(end.bytes), end.error);
            leave(*end.torrent, 1);
        });
    arm_timer();
    is_active_ = true;
    side_by_side(torrent, [this, job = std::move(job)] {
        auto const found = job->torrent->pieces.find(job->request.piece);
        if (found != job->torrent->pieces.end()) {
            for (auto const& block : found->second.blocks) job->overlay(block);
        }
        fresh_.push_back(job);
    });
}

bool Disk::async_write(lt::storage_index_t storage, lt::peer_request const& request,
                       char const* bytes, std::shared_ptr<lt::disk_observer> observer,
                       Written handler, lt::disk_job_flags_t)
{
    auto const& torrent = at(storage);
    Block block{request.start, buffers_.hold(request.length), std::move(handler)};
    std::memcpy(block.bytes.data(), bytes, std::size_t(request.length));
    ++unwritten_;
    arm_timer();
    is_active_ = true;
    side_by_side(torrent,
                 [this, torrent, piece = request.piece, block = std::move(block)]() mutable {
                     add_block(torrent, piece, std::move(block));
                 });
    if (!is_full()) return false;
    observers_.push_back(observer);
    return true;
}

void Disk::async_hash(lt::storage_index_t storage, lt::piece_index_t piece,
                      lt::span<lt::sha256_hash> v2, lt::disk_job_flags_t flags, Hashed handler)
{
    auto const& torrent = at(storage);
    bool const with_v1 = bool(flags & v1_hash);
    auto request = std::make_shared<HashRequest>(HashRequest{with_v1, v2, std::move(handler)});
    side_by_side(torrent, [this, torrent, piece, request, flags] {
        start_hash(torrent, piece, std::move(*request), flags);
    });
}

void Disk::async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset,
                       lt::disk_job_flags_t,
                       std::function<void(lt::piece_index_t, lt::sha256_hash const&,
                                          lt::storage_error const&)> handler)
{
    auto const& torrent = at(storage);
    auto job = std::make_shared<Task<lt::sha256_hash>>(
        lt::sha256_hash(),
        [torrent, piece, offset](lt::storage_error& error, Scratch& scratch) {
            return hash_block(torrent->storage, piece, offset, scratch, error);
        },
        [this, torrent, piece, told = std::move(handler)](lt::sha256_hash& hash,
                                                          lt::storage_error const& error) {
            told(piece, hash, error);
            leave(*torrent, 1);
        });
    side_by_side(torrent, [this, torrent, piece, job = std::move(job)] {
        when_written(torrent, piece, [this, job] { fresh_hashes_.push_back(job); });
    });
}

void Disk::async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                             std::function<void(lt::piece_index_t)> handler)
{
    alone<int>(storage, 0, [](Storage&, lt::storage_error&) { return 0; },
               [piece, told = std::move(handler)](int, lt::storage_error const&) { told(piece); });
}

void Disk::async_check_files(lt::storage_index_t storage, lt::add_torrent_params const* resume,
                             Links links,
                             std::function<void(lt::status_t, lt::storage_error const&)> handler)
{
    bool const believe = settings_.get_bool(lt::settings_pack::no_recheck_incomplete_resume);
    alone<lt::status_t>(
        storage, lt::status_t::fatal_disk_error,
        [resume, believe, links = std::move(links)](Storage& files, lt::storage_error& error) {
            return files.check(resume, links, believe, error);
        },
        [told = std::move(handler)](lt::status_t status, lt::storage_error const& error) {
            told(status, error);
        });
}

void Disk::async_move_storage(lt::storage_index_t storage, std::string path,
                              lt::move_flags_t flags,
                              std::function<void(lt::status_t, std::string const&,
                                                 lt::storage_error const&)> handler)
{
    using Moved = std::pair<lt::status_t, std::string>;
    alone<Moved>(
        storage, Moved(lt::status_t::fatal_disk_error, path),
        [path, flags](Storage& files, lt::storage_error& error) {
            return files.move(path, flags, error);
        },
        [told = std::move(handler)](Moved const& moved, lt::storage_error const& error) {
            told(moved.first, moved.second, error);
        });
}

void Disk::async_rename_file(lt::storage_index_t storage, lt::file_index_t file, std::string name,
                             std::function<void(std::string const&, lt::file_index_t,
                                                lt::storage_error const&)> handler)
{
    alone<std::string>(
        storage, name,
        [file, name](Storage& files, lt::storage_error& error) {
            files.rename(file, name, error);
            return name;
        },
        [file, told = std::move(handler)](std::string const& now, lt::storage_error const& error) {
            told(now, file, error);
        });
}

void Disk::async_delete_files(lt::storage_index_t storage, lt::remove_flags_t what,
                              Written handler)
{
    cancel_checks(*at(storage));
    alone<int>(
        storage, 0,
        [what](Storage& files, lt::storage_error& error) {
            files.remove(what, error);
            return 0;
        },
        [told = std::move(handler)](int, lt::storage_error const& error) { told(error); });
}

void Disk::async_set_file_priority(
    lt::storage_index_t storage, Priorities priorities,
    std::function<void(lt::storage_error const&, Priorities)> handler)
{
    alone<Priorities>(
        storage, priorities,
        [priorities](Storage& files, lt::storage_error& error) {
            auto wanted = priorities;
            files.set_priorities(wanted, error);
            return wanted;
        },
        [told = std::move(handler)](Priorities& now, lt::storage_error const& error) {
            told(error, std::move(now));
        });
}

void Disk::async_release_files(lt::storage_index_t storage, std::function<void()> handler)
{
    release(storage, std::move(handler));
}

void Disk::async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler)
{
    cancel_checks(*at(storage));
    release(storage, std::move(handler));
}

void Disk::release(lt::storage_index_t storage, std::function<void()> handler)
{
    alone<int>(
        storage, 0,
        [](Storage& files, lt::storage_error&) {
            files.release();
            return 0;
        },
        [told = std::move(handler)](int, lt::storage_error const&) {
            if (told) told();
        });
}

void Disk::cancel_checks(Torrent& torrent) { ++torrent.round; }

void Disk::update_stats_counters(lt::counters& counters) const
{
    counters.set_value(lt::counters::disk_blocks_in_use, buffers_.in_use());
    counters.set_value(lt::counters::num_jobs, under_way_);
    counters.set_value(lt::counters::num_write_jobs, unwritten_);
    auto const queued = io_ ? io_->queued() + hashers_->queued() : 0;
    counters.set_value(lt::counters::queued_disk_jobs, queued);
}

std::vector<lt::open_file_state> Disk::get_status(lt::storage_index_t storage) const
{
    return open_files_.of(at(storage)->storage.number());
}

void Disk::settings_updated()
{
    open_files_.set_limit(settings_.get_int(lt::settings_pack::file_pool_size));
    auto const wanted = settings_.get_int(lt::settings_pack::max_queued_disk_bytes);
    unwritten_max_ = std::max(wanted, unwritten_bytes) / lt::default_block_size;
    if (!io_) return;
    io_->set_limit(settings_.get_int(lt::settings_pack::aio_threads));
    hashers_->set_limit(settings_.get_int(lt::settings_pack::hashing_threads));
}

void Disk::submit_jobs()
{
    if (io_) {
        if (!fresh_.empty()) io_->add(fresh_);
        if (!fresh_hashes_.empty()) hashers_->add(fresh_hashes_);
        return;
    }
    // The threads have ended, so nothing can be done any more.
    fresh_.insert(fresh_.end(), fresh_hashes_.begin(), fresh_hashes_.end());
    fresh_hashes_.clear();
    for (auto& job : std::exchange(fresh_, {})) {
        job->error.ec = boost::asio::error::operation_aborted;
        done(std::move(job));
    }
}

void Disk::abort(bool wait)
{
    is_aborted_ = true;
    timer_.cancel();
    for (auto const& torrent : torrents_) {
        if (!torrent) continue;
        cancel_checks(*torrent);
        write_all(torrent);
    }
    write_listed();
    submit_jobs();
    while (wait && under_way_ > 0) {
        drain();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    end_if_idle();
}

Disk::TorrentRef const& Disk::at(lt::storage_index_t storage) const
{
    return torrents_[static_cast<std::uint32_t>(storage)];
}

template <typename Start>
void Disk::side_by_side(TorrentRef const& torrent, Start start)
{
    ++under_way_;
    if (torrent->line.is_open()) {
        torrent->line.begin();
        start();
        return;
    }
    auto const later = std::make_shared<Start>(std::move(start));
    torrent->line.enter(false, [later] { (*later)(); });
}

template <typename Result>
void Disk::alone(lt::storage_index_t storage, Result unless,
                 std::function<Result(Storage&, lt::storage_error&)> work,
                 std::function<void(Result&, lt::storage_error const&)> end)
{
    auto const torrent = at(storage);
    auto job = std::make_shared<Task<Result>>(
        std::move(unless),
        [torrent, work = std::move(work)](lt::storage_error& error, Scratch&) {
            return work(torrent->storage, error);
        },
        [this, torrent, end = std::move(end)](Result& result, lt::storage_error const& error) {
            end(result, error);
            leave(*torrent, 1);
        });
    ++under_way_;
    write_all(torrent);
    torrent->line.enter(true, [this, torrent, job = std::move(job)] {
        forget_pieces(*torrent);
        fresh_.push_back(job);
    });
}

void Disk::leave(Torrent& torrent, int jobs)
{
    under_way_ -= jobs;
    torrent.line.leave(jobs);
}

void Disk::done(std::shared_ptr<Job> job)
{
    std::lock_guard<std::mutex> const lock(done_mutex_);
    done_.push_back(std::move(job));
    if (done_.size() == 1) lt::post(context_, [this] { drain(); });
}

void Disk::drain()
{
    std::vector<std::shared_ptr<Job>> finished;
    {
        std::lock_guard<std::mutex> const lock(done_mutex_);
        finished.swap(done_);
    }
    for (auto& job : finished) {
        job->tell();
        job.reset();
    }
    wake_observers();
    submit_jobs();
    end_if_idle();
}

void Disk::wake_observers()
{
    if (observers_.empty() || is_filling()) return;
    for (auto const& observer : std::exchange(observers_, {})) {
        if (auto const live = observer.lock()) live->on_disk();
    }
}

void Disk::arm_timer()
{
    if (is_armed_ || is_aborted_) return;
    is_armed_ = true;
    timer_.expires_after(patience);
    timer_.async_wait([this](boost::system::error_code const& cancelled) {
        if (!cancelled) tick();
    });
}

void Disk::tick()
{
    is_armed_ = false;
    write_listed();
    submit_jobs();
    if (std::exchange(is_active_, false)) {
        arm_timer();
    } else {
        buffers_.trim();
    }
}

void Disk::end_if_idle()
{
    if (!is_aborted_ || under_way_ > 0) return;
    io_.reset();
    hashers_.reset();
    guard_.reset();
}

}  // namespace cove::disk
