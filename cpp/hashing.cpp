// libtorrent's own hashing maps the files, so that one which shrinks meanwhile raises SIGBUS, and it
// cannot be stopped: jobs of its disk threads outlive what they point to. This reads piece by piece.
#include "hashing.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/hasher.hpp>
#include <unistd.h>

#include "convert.h"
#include "page_buffer.h"
#include "sha1_pair.h"

namespace cove {
namespace {

constexpr int block_bytes = 16 << 10;
// What is read at once: it is hashed while it is still in the processor's own cache.
constexpr int chunk_bytes = 128 << 10;
constexpr std::uint32_t threads_max = 64;

// An open file; closed at the end of its scope.
class Descriptor final {
public:
    explicit Descriptor(std::string const& path)
        : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW))
    {
        if (number_ < 0) throw std::system_error(errno, std::generic_category(), path);
    }
    ~Descriptor() { ::close(number_); }
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;

    int number() const { return number_; }

private:
    int number_;
};

// Reads one piece after another; the file it read last stays open.
class Reader final {
public:
    Reader(lt::file_storage const& files, std::string const& parent) : files_(files), parent_(parent) {}

    void read(lt::piece_index_t piece, int start, lt::span<char> bytes)
    {
        for (auto const& part : files_.map_block(piece, start, int(bytes.size()))) {
            auto const into = bytes.first(std::ptrdiff_t(part.size));
            if (files_.pad_file_at(part.file_index)) {
                std::fill(into.begin(), into.end(), char(0));
            } else {
                read_part(part.file_index, part.offset, into);
            }
            bytes = bytes.subspan(std::ptrdiff_t(part.size));
        }
    }

private:
    void read_part(lt::file_index_t index, std::int64_t offset, lt::span<char> into)
    {
        auto const path = files_.file_path(index, parent_);
        if (!file_ || index != opened_) {
            file_.reset();
            file_ = std::make_unique<Descriptor>(path);
            opened_ = index;
        }
        while (!into.empty()) {
            auto const size = std::size_t(into.size());
            auto const got = ::pread(file_->number(), into.data(), size, offset);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) throw std::system_error(errno, std::generic_category(), path);
            if (got == 0) throw std::runtime_error("`" + path + "` became shorter while it was read");
            into = into.subspan(got);
            offset += got;
        }
    }

    lt::file_storage const& files_;
    std::string const& parent_;
    std::unique_ptr<Descriptor> file_;
    lt::file_index_t opened_{};
};

// A piece on its way through a thread, which takes two at a time.
struct Lane final {
    Lane(lt::file_storage const& files, std::string const& parent, int chunk)
        : reader(files, parent), buffer(chunk)
    {
    }

    Reader reader;
    PageBuffer buffer;
    lt::piece_index_t piece{};
    bool has_v2 = false;
    // In v2 a piece ends with its file; the padding after it is v1's alone.
    int left_v2 = 0;
    std::vector<lt::sha256_hash> leaves;
};

// The root of `leaves`, as many as a power of two (BEP 52).
lt::sha256_hash root_of(std::vector<lt::sha256_hash> leaves)
{
    while (leaves.size() > 1) {
        for (std::size_t i = 0; i < leaves.size() / 2; ++i) {
            lt::hasher256 pair;
            pair.update(leaves[2 * i]);
            pair.update(leaves[2 * i + 1]);
            leaves[i] = pair.final();
        }
        leaves.resize(leaves.size() / 2);
    }
    return leaves.front();
}

// What several threads work through together: the pieces of one torrent.
class Work final {
public:
    Work(lt::create_torrent& torrent, std::string const& parent, Reuse const& reuse, Progress const& progress)
        : torrent_(torrent), files_(torrent.files()), parent_(parent), reuse_(reuse), progress_(progress)
    {
    }

    // Takes two pieces after two others until none is left or somebody failed.
    void run() noexcept
    {
        try {
            auto const chunk = std::min(files_.piece_length(), chunk_bytes);
            Lane first(files_, parent_, chunk);
            Lane second(files_, parent_, chunk);
            for (int next = next_.fetch_add(2); next < files_.num_pieces() && !is_over_;
                 next = next_.fetch_add(2)) {
                hash_pieces(lt::piece_index_t(next), first, second);
            }
        } catch (...) {
            std::lock_guard<std::mutex> const lock(mutex_);
            fail(std::current_exception());
        }
    }

    void rethrow() const
    {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    // The piece `index` and the next one, if there is one.
    void hash_pieces(lt::piece_index_t index, Lane& first, Lane& second)
    {
        auto const has_first = begin(index++, first);
        auto const has_second = index < files_.end_piece() && begin(index, second);
        if (has_first && has_second && are_twins(first, second)) return hash_both(first, second);
        if (has_first) hash_one(first);
        if (has_second) hash_one(second);
    }

    // False: there is nothing to hash.
    bool begin(lt::piece_index_t piece, Lane& lane)
    {
        if (take_over(piece)) return false;
        lane.piece = piece;
        lane.has_v2 = !torrent_.is_v1_only()
            && !files_.pad_file_at(files_.file_index_at_piece(piece));
        lane.left_v2 = lane.has_v2 ? files_.piece_size2(piece) : 0;
        lane.leaves.clear();
        return true;
    }

    bool are_twins(Lane const& first, Lane const& second) const
    {
        auto const size = files_.piece_size(first.piece);
        return !torrent_.is_v2_only() && size == files_.piece_size(second.piece) && Sha1Pair::takes(size);
    }

    void hash_both(Lane& first, Lane& second)
    {
        Sha1Pair v1;
        for (int start = 0; start < files_.piece_size(first.piece);) {
            auto const bytes = read(first, start);
            v1.update(bytes, read(second, start));
            start += int(bytes.size());
        }
        auto const [first_v1, second_v1] = v1.finish();
        put(first, first_v1);
        put(second, second_v1);
    }

    void hash_one(Lane& lane)
    {
        lt::hasher v1;
        for (int start = 0; start < files_.piece_size(lane.piece);) {
            auto const bytes = read(lane, start);
            if (!torrent_.is_v2_only()) v1.update(bytes);
            start += int(bytes.size());
        }
        put(lane, v1.final());
    }

    // What the piece has from `start` on, as far as there is room. What v2 wants of it is hashed.
    lt::span<char const> read(Lane& lane, int start)
    {
        auto const size = std::min(int(lane.buffer.size()), files_.piece_size(lane.piece) - start);
        auto const bytes = lane.buffer.place(files_, lane.piece, start, size);
        lane.reader.read(lane.piece, start, bytes);
        auto const part = std::min(int(bytes.size()), lane.left_v2);
        add_leaves(bytes.first(part), lane.leaves);
        lane.left_v2 -= part;
        return bytes;
    }

    // The piece is done.
    void put(Lane& lane, lt::sha1_hash const& v1)
    {
        auto const root = lane.has_v2 ? v2_of(lane.piece, std::move(lane.leaves)) : lt::sha256_hash();
        std::lock_guard<std::mutex> const lock(mutex_);
        if (is_over_) return;
        if (!torrent_.is_v2_only()) torrent_.set_hash(lane.piece, v1);
        if (lane.has_v2) put_v2(lane.piece, root);
        progress_.add_hashed(std::uint64_t(files_.piece_size(lane.piece)));
        report();
    }

    // Takes the piece's hashes from the former torrent, if they are known.
    bool take_over(lt::piece_index_t piece)
    {
        std::lock_guard<std::mutex> const lock(mutex_);
        if (is_over_) return true;
        if (!reuse_.take(torrent_, piece)) return false;
        report();
        return true;
    }

    // Under the mutex: one piece more is done.
    void report()
    {
        auto const total = small_count_of(files_.num_pieces());
        if (progress_.report(++done_, total)) return;
        fail(std::make_exception_ptr(std::runtime_error("cancelled")));
    }

    static void add_leaves(lt::span<char const> bytes, std::vector<lt::sha256_hash>& leaves)
    {
        while (!bytes.empty()) {
            auto const size = std::min<std::ptrdiff_t>(block_bytes, bytes.size());
            leaves.push_back(lt::hasher256(bytes.first(size)).final());
            bytes = bytes.subspan(size);
        }
    }

    lt::sha256_hash v2_of(lt::piece_index_t piece, std::vector<lt::sha256_hash> leaves) const
    {
        auto const file = files_.file_index_at_piece(piece);
        // A file smaller than a piece has a tree of its own size.
        std::size_t count = std::size_t(files_.piece_length() / block_bytes);
        if (files_.file_size(file) < files_.piece_length()) {
            for (count = 1; count < std::size_t(files_.file_num_blocks(file));) count *= 2;
        }
        leaves.resize(count);
        return root_of(std::move(leaves));
    }

    void put_v2(lt::piece_index_t piece, lt::sha256_hash const& root)
    {
        auto const file = files_.file_index_at_piece(piece);
        auto const first = int(files_.file_offset(file) / files_.piece_length());
        auto const inside = lt::piece_index_t::diff_type(static_cast<int>(piece) - first);
        torrent_.set_hash2(file, inside, root);
    }

    // Under the mutex; the first failure counts.
    void fail(std::exception_ptr failure)
    {
        if (!is_over_) failure_ = std::move(failure);
        is_over_ = true;
    }

    lt::create_torrent& torrent_;
    lt::file_storage const& files_;
    std::string const& parent_;
    Reuse const& reuse_;
    Progress const& progress_;
    std::atomic<int> next_{0};
    std::atomic<bool> is_over_{false};
    std::mutex mutex_;
    std::uint32_t done_ = 0;
    std::exception_ptr failure_;
};

}  // namespace

void hash_files(lt::create_torrent& torrent, std::string const& parent, std::uint32_t threads,
                Reuse const& reuse, Progress const& progress)
{
    Work work(torrent, parent, reuse, progress);
    std::vector<std::thread> helpers;
    for (auto i = std::clamp<std::uint32_t>(threads, 1, threads_max); i > 1; --i) {
        try {
            helpers.emplace_back([&work] { work.run(); });
        } catch (std::system_error const&) {
            // No thread to be had: those that are there do it.
            break;
        }
    }
    work.run();
    for (auto& helper : helpers) helper.join();
    work.rethrow();
}

}  // namespace cove
