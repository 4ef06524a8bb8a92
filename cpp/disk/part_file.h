// The file for what is needed of unwanted files: pieces reach over the ends of files.
//
// Its form is libtorrent's own (`.HASH.parts`), so that both disk back ends read each other's: a
// header that says for each piece in which slot it lies, then slots of one piece each. The header
// on disk is always true: a piece in a slot counts after a crash as much as one in a file.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <libtorrent/error_code.hpp>
#include <libtorrent/span.hpp>

#include "disk/file.h"
#include "disk/roots.h"

namespace cove::disk {

class PartFile {
public:
    // Reads the header of `folder`/`name` if that is there and of this form.
    PartFile(std::string folder, std::string name, Roots const& roots, int pieces,
             int piece_bytes);

    void write(int piece, int offset, std::vector<iovec>& from, lt::error_code& error);

    // Fails as a missing file does for a piece that is not here.
    std::int64_t read(int piece, int offset, lt::span<char> into, lt::error_code& error);

    bool holds(int piece) const;

    // Forgets a piece; the file goes when its last piece does.
    void drop(int piece, lt::error_code& error);

    // Lets go of the file.
    void close();

    // The file was moved to another folder.
    void moved_to(std::string folder);

    std::string path() const;

private:
    std::shared_ptr<File const> open(Access access, lt::error_code& error);
    void load(File const& file);
    int slot_for(int piece, File const& file, lt::error_code& error);
    void note(File const& file, int piece, int slot, lt::error_code& error) const;
    std::int64_t position(int slot, int offset) const;
    std::int64_t header_bytes() const;
    std::vector<char> header() const;
    int free_slot() const;

    mutable std::mutex mutex_;
    std::string folder_;
    std::string const name_;
    Roots const& roots_;
    int const piece_bytes_;
    std::shared_ptr<File const> file_;
    // By piece; `nowhere` if it is not here.
    std::vector<std::int32_t> slots_;
    // By slot.
    std::vector<bool> taken_;
};

}  // namespace cove::disk
