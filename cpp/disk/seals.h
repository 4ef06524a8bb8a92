// What the files of shares looked like when they were hashed, so that no byte is sent of one that
// was changed since.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <libtorrent/error_code.hpp>
#include <libtorrent/info_hash.hpp>
#include <libtorrent/units.hpp>
#include <sys/stat.h>

namespace cove::disk {

// A file as it was at one moment.
struct FileMark {
    // Bytes; below 0 what no file is like.
    std::int64_t size;
    // Unix seconds and nanoseconds.
    std::int64_t modified_s;
    std::int64_t modified_ns;
};

// The marks of one torrent's files. Safe from every thread.
class Seal {
public:
    // In the order of the torrent, padding included; none when nothing is known of its files.
    explicit Seal(std::vector<FileMark> marks) : marks_(std::move(marks)) {}

    void set(std::vector<FileMark> marks);

    // Whether `found` is what the mark of `file` says.
    bool fits(lt::file_index_t file, struct stat const& found) const;

private:
    mutable std::mutex mutex_;
    std::vector<FileMark> marks_;
};

// The seals of a session's torrents. They are put here before the session gets the torrent, and the
// disk fetches them when it does. Safe from every thread.
class Seals {
public:
    // Seals a torrent that comes.
    void put(lt::info_hash_t const& torrent, std::vector<FileMark> marks);

    // Its files were looked at and are these now. Nothing for a torrent that came unsealed.
    void renew(lt::info_hash_t const& torrent, std::vector<FileMark> marks);

    // Forgets a torrent that goes; who has its seal keeps it.
    void drop(lt::info_hash_t const& torrent);

    // Null for a torrent that is not sealed.
    std::shared_ptr<Seal const> of(lt::sha1_hash const& torrent) const;

private:
    mutable std::mutex mutex_;
    // By either of a hybrid's hashes.
    std::map<lt::sha1_hash, std::shared_ptr<Seal>> seals_;
};

// A file is not what its seal says.
lt::error_code broken_seal();
bool is_broken_seal(lt::error_code const& error);

}  // namespace cove::disk
