#include "disk/file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

namespace cove::disk {
namespace {

// A device or a pipe must not keep a thread waiting, and a handle must not reach a child process.
constexpr int always = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Reading is no use of a file worth a write, but only its owner may say so.
int open_quietly(char const* path, int flags)
{
    int const descriptor = ::open(path, flags | always | O_NOATIME);
    if (descriptor >= 0 || errno != EPERM) return descriptor;
    return ::open(path, flags | always);
}

int open_or_create(std::string const& path, mode_t mode)
{
    int const existing = open_quietly(path.c_str(), O_RDWR);
    if (existing >= 0 || errno != ENOENT) return existing;
    int const created = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | always, mode);
    if (created >= 0 || errno != EEXIST) return created;
    // Somebody else made it meanwhile; or it is a symlink to nothing, and then this fails too.
    return open_quietly(path.c_str(), O_RDWR);
}

// Why a descriptor is none of a regular file; 0 if it is.
int not_regular(int descriptor)
{
    struct stat found {};
    if (fstat(descriptor, &found) != 0) return errno;
    if (S_ISDIR(found.st_mode)) return EISDIR;
    return S_ISREG(found.st_mode) ? 0 : EINVAL;
}

// Drops `count` bytes from the front.
void use_up(std::vector<iovec>& from, std::size_t& first, std::size_t count)
{
    while (first < from.size() && count >= from[first].iov_len) count -= from[first++].iov_len;
    if (count == 0) return;
    from[first].iov_base = static_cast<char*>(from[first].iov_base) + count;
    from[first].iov_len -= count;
}

}  // namespace

lt::error_code last_error() { return {errno, lt::system_category()}; }

bool is_missing(lt::error_code const& error)
{
    return error == boost::system::errc::no_such_file_or_directory;
}

File::~File() { ::close(descriptor_); }

std::int64_t File::read(std::int64_t offset, lt::span<char> into, lt::error_code& error) const
{
    std::int64_t done = 0;
    while (done < into.size()) {
        auto const count = ::pread(descriptor_, into.data() + done, std::size_t(into.size() - done),
                                   offset + done);
        if (count == 0) break;
        if (count > 0) done += count;
        if (count < 0 && errno != EINTR) {
            error = last_error();
            break;
        }
    }
    return done;
}

void File::write(std::int64_t offset, std::vector<iovec>& from, lt::error_code& error) const
{
    std::size_t first = 0;
    while (first < from.size()) {
        auto const elements = int(std::min<std::size_t>(from.size() - first, IOV_MAX));
        auto const count = ::pwritev(descriptor_, &from[first], elements, offset);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            error = count < 0 ? last_error() : lt::error_code(EIO, lt::system_category());
            return;
        }
        offset += count;
        use_up(from, first, std::size_t(count));
    }
}

struct stat File::status(lt::error_code& error) const
{
    struct stat found {};
    if (fstat(descriptor_, &found) != 0) error = last_error();
    return found;
}

void File::extend(std::int64_t size, bool solid, lt::error_code& error) const
{
    auto const found = status(error);
    if (error) return;
    // Not every file system can set space aside; then it is taken as it is needed.
    bool const is_refused = solid && fallocate(descriptor_, 0, 0, size) != 0;
    if (is_refused && errno != EOPNOTSUPP) error = last_error();
    if (!error && found.st_size < size && ftruncate(descriptor_, size) != 0) error = last_error();
}

std::shared_ptr<File const> open_file(std::string const& path, Access access, mode_t mode,
                                      lt::error_code& error, lt::operation_t& operation)
{
    operation = lt::operation_t::file_open;
    bool const write = access == Access::Write;
    int opened = write ? open_or_create(path, mode) : open_quietly(path.c_str(), O_RDONLY);
    if (opened < 0 && errno == ENOENT && write) {
        make_folders_above(path, error);
        if (error) {
            operation = lt::operation_t::mkdir;
            return {};
        }
        opened = open_or_create(path, mode);
    }
    if (opened < 0) {
        error = last_error();
        return {};
    }
    auto file = std::make_shared<File const>(opened);
    int const wrong = not_regular(opened);
    if (wrong == 0) return file;
    error = lt::error_code(wrong, lt::system_category());
    return {};
}

void make_folders_above(std::string const& path, lt::error_code& error)
{
    std::error_code failed;
    std::filesystem::create_directories(folder_of(path), failed);
    if (failed) error = lt::error_code(failed.value(), lt::system_category());
}

std::string folder_of(std::string const& path)
{
    auto const slash = path.find_last_of('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace cove::disk
