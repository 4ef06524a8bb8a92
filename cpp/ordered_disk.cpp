// Hashing waits for writing.
//
// libtorrent 2.0 hashes a piece from the blocks that still wait to be written, so a piece may be
// announced, saved as claimed (rule D3), called seeding, or read by a stream (rule F9) before its
// bytes are in the file. Here a hash job is held back until the piece's writes have ended. All
// calls and handlers run on libtorrent's network thread, so there is no lock.
#include "ordered_disk.h"

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/session.hpp>

namespace cove {
namespace {

using Deferred = std::function<void()>;

// What one piece waits for.
struct Pending {
    int writes = 0;
    std::vector<Deferred> hashes;
};

// Pieces with writes under way. Shared with the handlers, which may outlive the back end.
class Pieces {
public:
    // libtorrent uses the index of a removed torrent again, so each use has a number of its own.
    void begin(lt::storage_index_t storage) { ++uses_[number(storage)]; }

    std::uint64_t key(lt::storage_index_t storage, lt::piece_index_t piece)
    {
        auto const use = uses_[number(storage)];
        return (std::uint64_t(use) << 48) ^ (std::uint64_t(number(storage)) << 28)
            ^ std::uint64_t(static_cast<int>(piece));
    }

    void write_begins(std::uint64_t key) { ++pending_[key].writes; }

    void write_ends(std::uint64_t key)
    {
        auto const found = pending_.find(key);
        if (found == pending_.end() || --found->second.writes > 0) return;
        auto hashes = std::move(found->second.hashes);
        pending_.erase(found);
        for (auto& hash : hashes) hash();
    }

    // Runs `hash` now, or when the last write of the piece has ended; then its caller is past
    // submitting, so `submit` follows.
    void after_writes(std::uint64_t key, Deferred hash, Deferred submit)
    {
        auto const found = pending_.find(key);
        if (found == pending_.end()) return hash();
        found->second.hashes.push_back([hash = std::move(hash), submit = std::move(submit)]() mutable {
            hash();
            submit();
        });
    }

private:
    static std::uint32_t number(lt::storage_index_t storage)
    {
        return static_cast<std::uint32_t>(storage);
    }

    std::unordered_map<std::uint32_t, std::uint16_t> uses_;
    std::unordered_map<std::uint64_t, Pending> pending_;
};

class OrderedDisk final : public lt::disk_interface {
public:
    explicit OrderedDisk(std::unique_ptr<lt::disk_interface> inner)
        : inner_(std::move(inner)), pieces_(std::make_shared<Pieces>())
    {
    }

    lt::storage_holder new_torrent(lt::storage_params const& params,
                                   std::shared_ptr<void> const& torrent) override
    {
        auto holder = inner_->new_torrent(params, torrent);
        pieces_->begin(holder);
        return holder;
    }

    bool async_write(lt::storage_index_t storage, lt::peer_request const& request, char const* bytes,
                     std::shared_ptr<lt::disk_observer> observer,
                     std::function<void(lt::storage_error const&)> handler,
                     lt::disk_job_flags_t flags) override
    {
        auto const key = pieces_->key(storage, request.piece);
        pieces_->write_begins(key);
        auto done = [pieces = pieces_, key, told = std::move(handler)](lt::storage_error const& error) {
            told(error);
            pieces->write_ends(key);
        };
        return inner_->async_write(storage, request, bytes, std::move(observer), std::move(done), flags);
    }

    void async_hash(lt::storage_index_t storage, lt::piece_index_t piece,
                    lt::span<lt::sha256_hash> blocks, lt::disk_job_flags_t flags,
                    std::function<void(lt::piece_index_t, lt::sha1_hash const&,
                                       lt::storage_error const&)> handler) override
    {
        // The handler owns what `blocks` points to: it is moved, never copied.
        hash_after_writes(storage, piece, [=, told = std::move(handler)]() mutable {
            inner_->async_hash(storage, piece, blocks, flags, std::move(told));
        });
    }

    void async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset,
                     lt::disk_job_flags_t flags,
                     std::function<void(lt::piece_index_t, lt::sha256_hash const&,
                                        lt::storage_error const&)> handler) override
    {
        hash_after_writes(storage, piece, [=, told = std::move(handler)]() mutable {
            inner_->async_hash2(storage, piece, offset, flags, std::move(told));
        });
    }

    // The rest is libtorrent's.

    void remove_torrent(lt::storage_index_t storage) override { inner_->remove_torrent(storage); }

    void async_read(lt::storage_index_t storage, lt::peer_request const& request,
                    std::function<void(lt::disk_buffer_holder, lt::storage_error const&)> handler,
                    lt::disk_job_flags_t flags) override
    {
        inner_->async_read(storage, request, std::move(handler), flags);
    }

    void async_move_storage(lt::storage_index_t storage, std::string path, lt::move_flags_t flags,
                            std::function<void(lt::status_t, std::string const&,
                                               lt::storage_error const&)> handler) override
    {
        inner_->async_move_storage(storage, std::move(path), flags, std::move(handler));
    }

    void async_release_files(lt::storage_index_t storage, std::function<void()> handler) override
    {
        inner_->async_release_files(storage, std::move(handler));
    }

    void async_check_files(lt::storage_index_t storage, lt::add_torrent_params const* resume,
                           lt::aux::vector<std::string, lt::file_index_t> links,
                           std::function<void(lt::status_t, lt::storage_error const&)> handler) override
    {
        inner_->async_check_files(storage, resume, std::move(links), std::move(handler));
    }

    void async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler) override
    {
        inner_->async_stop_torrent(storage, std::move(handler));
    }

    void async_rename_file(lt::storage_index_t storage, lt::file_index_t file, std::string name,
                           std::function<void(std::string const&, lt::file_index_t,
                                              lt::storage_error const&)> handler) override
    {
        inner_->async_rename_file(storage, file, std::move(name), std::move(handler));
    }

    void async_delete_files(lt::storage_index_t storage, lt::remove_flags_t options,
                            std::function<void(lt::storage_error const&)> handler) override
    {
        inner_->async_delete_files(storage, options, std::move(handler));
    }

    void async_set_file_priority(
        lt::storage_index_t storage,
        lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
        std::function<void(lt::storage_error const&,
                           lt::aux::vector<lt::download_priority_t, lt::file_index_t>)> handler) override
    {
        inner_->async_set_file_priority(storage, std::move(priorities), std::move(handler));
    }

    void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                           std::function<void(lt::piece_index_t)> handler) override
    {
        inner_->async_clear_piece(storage, piece, std::move(handler));
    }

    void update_stats_counters(lt::counters& counters) const override
    {
        inner_->update_stats_counters(counters);
    }

    std::vector<lt::open_file_state> get_status(lt::storage_index_t storage) const override
    {
        return inner_->get_status(storage);
    }

    void abort(bool wait) override { inner_->abort(wait); }
    void submit_jobs() override { inner_->submit_jobs(); }
    void settings_updated() override { inner_->settings_updated(); }

private:
    void hash_after_writes(lt::storage_index_t storage, lt::piece_index_t piece, Deferred hash)
    {
        auto const key = pieces_->key(storage, piece);
        lt::disk_interface* const inner = inner_.get();
        pieces_->after_writes(key, std::move(hash), [inner] { inner->submit_jobs(); });
    }

    std::unique_ptr<lt::disk_interface> inner_;
    std::shared_ptr<Pieces> pieces_;
};

}  // namespace

std::unique_ptr<lt::disk_interface> make_ordered_disk(lt::io_context& context,
                                                      lt::settings_interface const& settings,
                                                      lt::counters& counters)
{
    auto inner = lt::default_disk_io_constructor(context, settings, counters);
    return std::make_unique<OrderedDisk>(std::move(inner));
}

}  // namespace cove
