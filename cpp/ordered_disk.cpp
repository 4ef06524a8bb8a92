// Hashing waits for writing, and reads nothing back.
//
// libtorrent 2.0 hashes a piece from the blocks that still wait to be written, so a piece may be
// announced, saved as claimed (rule D3), called seeding, or read by a stream (rule F9) before its
// bytes are in the file. Here the answer to a hash job is held back until the piece's writes have
// ended. The digest of a v1 piece whose blocks come in their order is made from them as they come,
// while they are in the processor's cache; that of any other piece is made by libtorrent, from
// what was written. All calls and handlers run on libtorrent's network thread, so there is no lock.
#include "ordered_disk.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/hasher.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/session.hpp>

#include <boost/asio/post.hpp>

namespace cove {
namespace {

// Told whether a write of the piece has failed.
using Deferred = std::function<void(bool)>;

// What one piece waits for.
struct Pending {
    int writes = 0;
    bool has_failed = false;
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

    void write_ends(std::uint64_t key, bool is_error)
    {
        auto const found = pending_.find(key);
        if (found == pending_.end()) return;
        found->second.has_failed |= is_error;
        if (--found->second.writes > 0) return;
        auto const ended = std::move(found->second);
        pending_.erase(found);
        for (auto const& hash : ended.hashes) hash(ended.has_failed);
    }

    // Runs `hash` now, or when the last write of the piece has ended; then its caller is past
    // submitting, so `submit` follows.
    void after_writes(std::uint64_t key, Deferred hash, std::function<void()> submit)
    {
        auto const found = pending_.find(key);
        if (found == pending_.end()) return hash(false);
        found->second.hashes.push_back([hash = std::move(hash), submit = std::move(submit)](bool failed) {
            hash(failed);
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

// The digest of a piece in the making.
class Digest {
public:
    // Takes the next block. One that is not the next, or that comes twice, ends it; a first block
    // begins it anew.
    void take(int start, lt::span<char const> block)
    {
        if (start == 0) {
            hasher_.reset();
            next_ = 0;
        }
        if (start != next_) {
            next_ = broken;
            return;
        }
        hasher_.update(block);
        next_ += int(block.size());
    }

    void spoil() { next_ = broken; }

    bool is_whole(int piece_bytes) const { return next_ == piece_bytes; }

    lt::sha1_hash finish() { return hasher_.final(); }

private:
    static constexpr int broken = -1;

    lt::hasher hasher_;
    int next_ = 0;
};

// The pieces of one torrent that are being received.
struct Receiving {
    int piece_bytes(lt::piece_index_t piece) const { return files->piece_size(piece); }

    // libtorrent keeps it as long as the storage.
    lt::file_storage const* files;
    // Only v1: the blocks of v2 have hashes of their own, which libtorrent makes.
    bool is_v1;
    std::unordered_map<int, Digest> digests;
};

using HashHandler =
    std::function<void(lt::piece_index_t, lt::sha1_hash const&, lt::storage_error const&)>;
using BlockHandler =
    std::function<void(lt::piece_index_t, lt::sha256_hash const&, lt::storage_error const&)>;

class OrderedDisk final : public lt::disk_interface {
public:
    OrderedDisk(lt::io_context& context, std::unique_ptr<lt::disk_interface> inner)
        : context_(context), inner_(std::move(inner)), pieces_(std::make_shared<Pieces>()),
          torrents_(std::make_shared<Torrents>())
    {
    }

    lt::storage_holder new_torrent(lt::storage_params const& params,
                                   std::shared_ptr<void> const& torrent) override
    {
        auto holder = inner_->new_torrent(params, torrent);
        pieces_->begin(holder);
        torrents_->insert_or_assign(static_cast<std::uint32_t>(lt::storage_index_t(holder)),
                                    Receiving{&params.files, !params.files.v2(), {}});
        return holder;
    }

    bool async_write(lt::storage_index_t storage, lt::peer_request const& request, char const* bytes,
                     std::shared_ptr<lt::disk_observer> observer,
                     std::function<void(lt::storage_error const&)> handler,
                     lt::disk_job_flags_t flags) override
    {
        auto const key = pieces_->key(storage, request.piece);
        pieces_->write_begins(key);
        auto const piece = static_cast<int>(request.piece);
        if (auto* const torrent = receiving(storage); torrent != nullptr && torrent->is_v1) {
            torrent->digests[piece].take(request.start, {bytes, request.length});
        }
        auto done = [pieces = pieces_, torrents = torrents_, storage, piece, key,
                     told = std::move(handler)](lt::storage_error const& error) {
            // What is not written is not claimed: libtorrent will read what there is.
            if (error) spoil(*torrents, storage, piece);
            told(error);
            pieces->write_ends(key, bool(error));
        };
        return inner_->async_write(storage, request, bytes, std::move(observer), std::move(done), flags);
    }

    void async_hash(lt::storage_index_t storage, lt::piece_index_t piece,
                    lt::span<lt::sha256_hash> blocks, lt::disk_job_flags_t flags,
                    HashHandler handler) override
    {
        auto const digest = blocks.empty() ? take_digest(storage, piece) : std::nullopt;
        // The handler owns what `blocks` points to: it is moved, never copied.
        auto const told = std::make_shared<HashHandler>(std::move(handler));
        hash_after_writes(storage, piece, [=](bool has_failed) {
            // Of a piece that is not on the disk as it came, libtorrent sees what is there.
            if (!digest || has_failed) {
                return inner_->async_hash(storage, piece, blocks, flags, std::move(*told));
            }
            boost::asio::post(context_, [=] { (*told)(piece, *digest, {}); });
        });
    }

    void async_hash2(lt::storage_index_t storage, lt::piece_index_t piece, int offset,
                     lt::disk_job_flags_t flags,
                     BlockHandler handler) override
    {
        auto const told = std::make_shared<BlockHandler>(std::move(handler));
        hash_after_writes(storage, piece, [=](bool) {
            inner_->async_hash2(storage, piece, offset, flags, std::move(*told));
        });
    }

    void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                           std::function<void(lt::piece_index_t)> handler) override
    {
        take_digest(storage, piece);
        inner_->async_clear_piece(storage, piece, std::move(handler));
    }

    void remove_torrent(lt::storage_index_t storage) override
    {
        torrents_->erase(static_cast<std::uint32_t>(storage));
        inner_->remove_torrent(storage);
    }

    // The rest is libtorrent's.

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
    using Torrents = std::unordered_map<std::uint32_t, Receiving>;

    Receiving* receiving(lt::storage_index_t storage)
    {
        auto const found = torrents_->find(static_cast<std::uint32_t>(storage));
        return found == torrents_->end() ? nullptr : &found->second;
    }

    static void spoil(Torrents& torrents, lt::storage_index_t storage, int piece)
    {
        auto const torrent = torrents.find(static_cast<std::uint32_t>(storage));
        if (torrent == torrents.end()) return;
        auto const digest = torrent->second.digests.find(piece);
        if (digest != torrent->second.digests.end()) digest->second.spoil();
    }

    // The digest of a piece all of whose blocks were seen; forgets what was seen of it.
    std::optional<lt::sha1_hash> take_digest(lt::storage_index_t storage, lt::piece_index_t piece)
    {
        auto* const torrent = receiving(storage);
        if (torrent == nullptr) return std::nullopt;
        auto const found = torrent->digests.find(static_cast<int>(piece));
        if (found == torrent->digests.end()) return std::nullopt;
        auto digest = std::move(found->second);
        torrent->digests.erase(found);
        if (!digest.is_whole(torrent->piece_bytes(piece))) return std::nullopt;
        return digest.finish();
    }

    void hash_after_writes(lt::storage_index_t storage, lt::piece_index_t piece, Deferred hash)
    {
        auto const key = pieces_->key(storage, piece);
        lt::disk_interface* const inner = inner_.get();
        pieces_->after_writes(key, std::move(hash), [inner] { inner->submit_jobs(); });
    }

    lt::io_context& context_;
    std::unique_ptr<lt::disk_interface> inner_;
    // Shared with the handlers, which may outlive the back end.
    std::shared_ptr<Pieces> pieces_;
    std::shared_ptr<Torrents> torrents_;
};

}  // namespace

std::unique_ptr<lt::disk_interface> make_ordered_disk(lt::io_context& context,
                                                      lt::settings_interface const& settings,
                                                      lt::counters& counters)
{
    auto inner = lt::default_disk_io_constructor(context, settings, counters);
    return std::make_unique<OrderedDisk>(context, std::move(inner));
}

}  // namespace cove
