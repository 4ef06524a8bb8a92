// Files to another folder, and away.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <set>
#include <vector>

#include <fcntl.h>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_status.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/file.h"
#include "disk/layout.h"

namespace cove::disk {
namespace {

constexpr std::size_t copy_bytes = 1024 * 1024;

// One file on its way.
struct Step {
    lt::file_index_t file;
    std::string from;
    std::string to;
    bool is_copied;
};

bool is_there(std::string const& path)
{
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0;
}

void copy_stretch(File const& from, File const& to, std::int64_t begin, std::int64_t end,
                  lt::error_code& error)
{
    std::vector<char> bytes(copy_bytes);
    while (begin < end && !error) {
        auto const want = std::min(end - begin, std::int64_t(copy_bytes));
        auto const count = from.read(begin, {bytes.data(), std::ptrdiff_t(want)}, error);
        if (error || count == 0) return;
        std::vector<iovec> part{{bytes.data(), std::size_t(count)}};
        to.write(begin, part, error);
        begin += count;
    }
}

// By its time a file of a share is known. That of the source is asked for last, so that who wrote
// to it meanwhile is seen in the copy too.
void keep_time(File const& from, File const& to, lt::error_code& error)
{
    auto const found = from.status(error);
    if (error) return;
    timespec const times[] = {{0, UTIME_OMIT}, found.st_mtim};
    // Some file systems keep no times of ours; a copy without is a copy.
    static_cast<void>(::futimens(to.descriptor(), times));
}

// Holes stay holes: a file half downloaded is mostly holes.
void copy_bytes_of(File const& from, File const& to, lt::error_code& error)
{
    struct stat found {};
    if (fstat(from.descriptor(), &found) != 0) {
        error = last_error();
        return;
    }
    std::int64_t end = 0;
    while (!error && end < found.st_size) {
        auto begin = ::lseek(from.descriptor(), end, SEEK_DATA);
        if (begin < 0 && errno == ENXIO) break;
        if (begin < 0) begin = end;
        end = ::lseek(from.descriptor(), begin, SEEK_HOLE);
        if (end < 0) end = found.st_size;
        copy_stretch(from, to, begin, end, error);
    }
    if (!error) to.extend(found.st_size, false, error);
    if (!error) keep_time(from, to, error);
    // The only other copy goes away next.
    if (!error && ::fsync(to.descriptor()) != 0) error = last_error();
}

void copy_file(std::string const& from, std::string const& to, lt::error_code& error)
{
    struct stat found {};
    if (::stat(from.c_str(), &found) != 0) {
        error = last_error();
        return;
    }
    lt::operation_t operation;
    auto const source = open_file(from, Access::Read, 0, error, operation);
    if (!source) return;
    // Not through a symlink, nor into a file that has other names.
    if (::unlink(to.c_str()) != 0 && errno != ENOENT) {
        error = last_error();
        return;
    }
    auto const target = open_file(to, Access::Write, found.st_mode & 0777, error, operation);
    if (!target) return;
    copy_bytes_of(*source, *target, error);
    if (error) ::unlink(to.c_str());
}

void take_back(std::vector<Step> const& done)
{
    for (auto step = done.rbegin(); step != done.rend(); ++step) {
        if (step->is_copied) {
            ::unlink(step->to.c_str());
        } else {
            ::rename(step->to.c_str(), step->from.c_str());
        }
    }
}

// All folders below the layout's own that files are in, the deepest last.
std::set<std::string> folders_of(Layout const& layout)
{
    std::set<std::string> folders;
    for (auto const file : layout.files.file_range()) {
        if (layout.files.file_absolute_path(file)) continue;
        auto folder = folder_of(layout.files.file_path(file));
        while (!folder.empty() && folders.insert(layout.folder + '/' + folder).second) {
            folder = folder_of(folder);
        }
    }
    return folders;
}

// Only those that are empty: what else is in them is not ours.
void remove_folders(Layout const& layout)
{
    auto const folders = folders_of(layout);
    std::for_each(folders.rbegin(), folders.rend(),
                  [](std::string const& folder) { ::rmdir(folder.c_str()); });
}

// What has to move; `is_partial` if something is in the way that stays.
std::vector<Step> plan(Layout const& layout, std::string const& to, std::string const& part_name,
                       lt::move_flags_t flags, bool& is_partial)
{
    std::vector<Step> steps;
    for (auto const file : layout.files.file_range()) {
        if (layout.files.file_absolute_path(file) || layout.files.pad_file_at(file)) continue;
        auto target = layout.files.file_path(file, to);
        if (flags == lt::move_flags_t::dont_replace && is_there(target)) {
            is_partial = true;
            continue;
        }
        steps.push_back({file, layout.files.file_path(file, layout.folder), target, false});
    }
    steps.push_back({lt::torrent_status::error_file_partfile, layout.folder + '/' + part_name,
                     to + '/' + part_name, false});
    return steps;
}

bool is_in_the_way(Layout const& layout, std::string const& to, lt::storage_error& error)
{
    for (auto const file : layout.files.file_range()) {
        if (layout.files.file_absolute_path(file) || layout.files.pad_file_at(file)) continue;
        if (!is_there(layout.files.file_path(file, to))) continue;
        error = lt::storage_error(make_error_code(boost::system::errc::file_exists), file,
                                  lt::operation_t::file_stat);
        return true;
    }
    return false;
}

void remove_one(std::string const& path, lt::file_index_t file, lt::storage_error& error)
{
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
    error = lt::storage_error(last_error(), file, lt::operation_t::file_remove);
}

}  // namespace

bool move_file(std::string const& from, std::string const& to, Roots const& roots,
               lt::error_code& error)
{
    if (from == to || !is_there(from)) {
        if (from != to) error = make_error_code(boost::system::errc::no_such_file_or_directory);
        return false;
    }
    if (!roots.allow(to, error)) return false;
    make_folders_above(to, error);
    if (error || ::rename(from.c_str(), to.c_str()) == 0) return false;
    if (errno != EXDEV) {
        error = last_error();
        return false;
    }
    copy_file(from, to, error);
    return !error;
}

lt::status_t move_files(Layout const& layout, std::string const& to, std::string const& part_name,
                        lt::move_flags_t flags, lt::storage_error& error)
{
    if (to == layout.folder) return lt::status_t::no_error;
    if (flags == lt::move_flags_t::fail_if_exist && is_in_the_way(layout, to, error)) {
        return lt::status_t::file_exist;
    }
    lt::error_code failed;
    if (layout.roots.allow(to, failed)) make_folders_above(to + '/', failed);
    if (failed) {
        error = lt::storage_error(failed, lt::file_index_t(-1), lt::operation_t::mkdir);
        return lt::status_t::fatal_disk_error;
    }
    bool is_partial = false;
    std::vector<Step> done;
    for (auto& step : plan(layout, to, part_name, flags, is_partial)) {
        step.is_copied = move_file(step.from, step.to, layout.roots, failed);
        if (is_missing(failed) && !is_there(step.from)) {
            failed.clear();
            continue;
        }
        if (failed) {
            bool const is_part = step.file == lt::torrent_status::error_file_partfile;
            error = lt::storage_error(failed, step.file, is_part ? lt::operation_t::partfile_move
                                                                 : lt::operation_t::file_rename);
            take_back(done);
            return lt::status_t::fatal_disk_error;
        }
        done.push_back(std::move(step));
    }
    // Nothing is removed before everything is there.
    for (auto const& step : done) {
        if (step.is_copied) ::unlink(step.from.c_str());
    }
    remove_folders(layout);
    return is_partial ? lt::status_t::need_full_check : lt::status_t::no_error;
}

void remove_files(Layout const& layout, std::string const& part_name, lt::remove_flags_t what,
                  lt::storage_error& error)
{
    if (what & lt::session::delete_files) {
        for (auto const file : layout.files.file_range()) {
            if (layout.files.pad_file_at(file)) continue;
            remove_one(layout.files.file_path(file, layout.folder), file, error);
        }
        remove_folders(layout);
    }
    if (what & (lt::session::delete_files | lt::session::delete_partfile)) {
        remove_one(layout.folder + '/' + part_name, lt::torrent_status::error_file_partfile, error);
    }
}

}  // namespace cove::disk
