// One open file: positioned reads and writes that are whole or fail. Never mapped (rule F9).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/span.hpp>
#include <sys/stat.h>
#include <sys/uio.h>

namespace cove::disk {

// What the system said last.
lt::error_code last_error();

// Whether `error` says that there is nothing of that name.
bool is_missing(lt::error_code const& error);

class File {
public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(File const&) = delete;
    File& operator=(File const&) = delete;
    ~File();

    // Reads until `into` is full or the file ends; how many bytes it were.
    std::int64_t read(std::int64_t offset, lt::span<char> into, lt::error_code& error) const;

    // Writes all of `from`, whose elements it uses up.
    void write(std::int64_t offset, std::vector<iovec>& from, lt::error_code& error) const;

    // Makes the file `size` bytes long if it is shorter: with holes, or `solid`, with space.
    void extend(std::int64_t size, bool solid, lt::error_code& error) const;

    // Size and times as they are now.
    struct stat status(lt::error_code& error) const;

    int descriptor() const { return descriptor_; }

private:
    int const descriptor_;
};

enum class Access { Read, Write };

// Opens a regular file; `Write` creates it, its folders too. What is created is created here: not
// behind a symlink that points nowhere (rule F3). Null, and `error` and `operation` say why.
std::shared_ptr<File const> open_file(std::string const& path, Access access, mode_t mode,
                                      lt::error_code& error, lt::operation_t& operation);

// All folders above `path`.
void make_folders_above(std::string const& path, lt::error_code& error);

// The path without its last part; empty if there is none.
std::string folder_of(std::string const& path);

}  // namespace cove::disk
