// The files of one torrent as one row of bytes. Everything here waits for the disk.
//
// Reads and writes may run on several threads at once; whoever changes names, places or
// priorities must be alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/session_types.hpp>
#include <libtorrent/storage_defs.hpp>

#include "disk/open_files.h"
#include "disk/part_file.h"
#include "disk/roots.h"
#include "disk/seals.h"

namespace cove::disk {

using Priorities = lt::aux::vector<lt::download_priority_t, lt::file_index_t>;
using Links = lt::aux::vector<std::string, lt::file_index_t>;

class Storage {
public:
    // `owner` keeps the torrent alive, whose list of files is used and not copied. `number` is
    // this storage's alone for as long as the process runs. `seal` may be null.
    Storage(lt::storage_params const& params, std::shared_ptr<void> owner, OpenFiles& open_files,
            Roots const& roots, std::shared_ptr<Seal const> seal, std::uint32_t number);
    Storage(Storage const&) = delete;
    Storage& operator=(Storage const&) = delete;
    ~Storage();

    std::uint32_t number() const { return number_; }

    // The files under the names they have now.
    lt::file_storage const& files() const { return renamed_ ? *renamed_ : original_; }

    // Bytes that count for the v1 hash of a piece; padding included.
    int piece_bytes(lt::piece_index_t piece) const { return files().piece_size(piece); }
    // Bytes that count for the v2 hash of a piece: 0 in a torrent that has none.
    int piece_bytes_v2(lt::piece_index_t piece) const;

    // From `offset` in `piece` on, across the ends of files. Padding reads as zeros and is not
    // written. A file that is too short is the error `eof`.
    void read(lt::piece_index_t piece, int offset, lt::span<char> into, lt::storage_error& error);
    // The same for bytes that go out: a file that is not what its seal says is an error.
    void serve(lt::piece_index_t piece, int offset, lt::span<char> into, lt::storage_error& error);
    void write(lt::piece_index_t piece, int offset, std::vector<iovec> const& from,
               lt::storage_error& error);

    // Makes empty files, and compares the files with what `resume` says of them.
    lt::status_t check(lt::add_torrent_params const* resume, Links const& links, bool believe,
                       lt::storage_error& error);

    std::pair<lt::status_t, std::string> move(std::string const& folder, lt::move_flags_t flags,
                                              lt::storage_error& error);
    void rename(lt::file_index_t file, std::string const& name, lt::storage_error& error);
    void remove(lt::remove_flags_t what, lt::storage_error& error);

    // Moves what the part file has of files that are wanted from now on. `wanted` becomes what
    // holds if that fails.
    void set_priorities(Priorities& wanted, lt::storage_error& error);

    // Closes all files.
    void release();

private:
    // A stretch of one file.
    struct Slice {
        lt::file_index_t file;
        std::int64_t offset;
        std::int64_t length;
    };

    template <typename Each>
    void for_slices(lt::piece_index_t piece, int offset, std::int64_t length, Each each);
    void read_all(lt::piece_index_t piece, int offset, lt::span<char> into, Seal const* seal,
                  lt::storage_error& error);
    void read_slice(Slice const& slice, lt::span<char> into, Seal const* seal,
                    lt::storage_error& error);
    void write_slice(Slice const& slice, std::vector<iovec>& from, lt::storage_error& error);

    std::shared_ptr<File const> open(lt::file_index_t file, Access access,
                                     lt::storage_error& error);
    std::shared_ptr<File const> open_now(lt::file_index_t file, Access access,
                                         lt::storage_error& error) const;
    std::string path_of(lt::file_index_t file) const;

    bool is_wanted(lt::file_index_t file) const;
    bool in_part_file(lt::file_index_t file) const;
    PartFile& part_file();
    void export_file(lt::file_index_t file, lt::storage_error& error);
    void drop_exported(lt::file_index_t file, lt::storage_error& error);

    bool create_missing(lt::storage_error& error);
    bool has_any_file() const;

    lt::file_storage const& original_;
    std::unique_ptr<lt::file_storage> renamed_;
    std::shared_ptr<void> const owner_;
    OpenFiles& open_files_;
    Roots const& roots_;
    std::shared_ptr<Seal const> const seal_;
    std::uint32_t const number_;
    std::string folder_;
    bool const is_solid_;
    Priorities priorities_;
    // Unwanted files that are there all the same, from before they were unwanted: their bytes stay
    // with them.
    std::vector<bool> keeps_file_;
    std::string const part_name_;
    std::unique_ptr<PartFile> part_file_;
};

}  // namespace cove::disk
