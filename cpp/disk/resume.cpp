// Resume data against the files that are there.
#include <algorithm>
#include <filesystem>

#include <libtorrent/torrent_flags.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/file.h"
#include "disk/layout.h"

namespace cove::disk {
namespace {

using Links = lt::aux::vector<std::string, lt::file_index_t>;
using Priorities = lt::aux::vector<lt::download_priority_t, lt::file_index_t>;

bool is_unwanted(Priorities const& priorities, lt::file_index_t file)
{
    return file < priorities.end_index() && priorities[file] == lt::dont_download;
}

// The size of a file that should be there; -1, and `error` says so.
std::int64_t expected_size(Layout const& layout, lt::file_index_t file, lt::storage_error& error)
{
    lt::error_code failed;
    auto const size = size_of(layout.files.file_path(file, layout.folder), failed);
    if (size >= 0) return size;
    if (is_missing(failed)) failed = make_error_code(lt::errors::mismatching_file_size);
    error = lt::storage_error(failed, file, lt::operation_t::file_stat);
    return -1;
}

// False: there was already something. Then it is taken as it is.
bool link_file(std::string const& from, std::string const& to, Roots const& roots,
               lt::error_code& error)
{
    if (!roots.allow(to, error)) return false;
    int result = ::link(from.c_str(), to.c_str());
    if (result != 0 && errno == ENOENT) {
        make_folders_above(to, error);
        if (error) return false;
        result = ::link(from.c_str(), to.c_str());
    }
    if (result != 0 && errno != EEXIST) error = last_error();
    return result == 0;
}

bool make_links(Layout const& layout, Links const& links, lt::storage_error& error)
{
    bool has_made = false;
    for (lt::file_index_t file{0}; file < links.end_index(); ++file) {
        if (links[file].empty()) continue;
        lt::error_code failed;
        auto const to = layout.files.file_path(file, layout.folder);
        has_made |= link_file(links[file], to, layout.roots, failed);
        if (!failed) continue;
        error = lt::storage_error(failed, file, lt::operation_t::file_hard_link);
        break;
    }
    return has_made;
}

bool is_seed(Layout const& layout, lt::add_torrent_params const& resume)
{
    return (resume.have_pieces.size() >= layout.files.num_pieces() && resume.have_pieces.all_set())
        || bool(resume.flags & lt::torrent_flags::seed_mode);
}

bool all_are_whole(Layout const& layout, lt::add_torrent_params const& resume,
                   Priorities const& priorities, lt::storage_error& error)
{
    auto const& files = layout.files;
    for (auto const file : files.file_range()) {
        bool const is_link = bool(files.file_flags(file) & lt::file_storage::flag_symlink);
        if (files.pad_file_at(file) || is_link) continue;
        // What is wanted of it may lie in the part file.
        bool const is_seed_mode = bool(resume.flags & lt::torrent_flags::seed_mode);
        if (is_unwanted(priorities, file) && !is_seed_mode) continue;
        auto const size = expected_size(layout, file, error);
        if (size < 0) return false;
        if (size >= files.file_size(file)) continue;
        error = lt::storage_error(make_error_code(lt::errors::mismatching_file_size), file,
                                  lt::operation_t::check_resume);
        return false;
    }
    return true;
}

bool claimed_are_there(Layout const& layout, lt::add_torrent_params const& resume,
                       Priorities const& priorities, lt::storage_error& error)
{
    auto const& files = layout.files;
    auto const end = std::min(resume.have_pieces.end_index(), files.end_piece());
    for (lt::piece_index_t piece{0}; piece < end; ++piece) {
        if (!resume.have_pieces.get_bit(piece)) continue;
        auto const file = files.file_index_at_piece(piece);
        if (files.pad_file_at(file) || is_unwanted(priorities, file)) continue;
        if (expected_size(layout, file, error) < 0) return false;
        // The other pieces that begin in this file have nothing to add.
        auto const last = files.map_file(file, files.file_size(file) - 1, 0).piece;
        piece = std::max(piece, last);
    }
    return true;
}

}  // namespace

std::string absolute(std::string const& path)
{
    std::error_code ignored;
    auto whole = std::filesystem::absolute(path, ignored).lexically_normal().string();
    while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
    return whole;
}

std::int64_t size_of(std::string const& path, lt::error_code& error)
{
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) return found.st_size;
    error = last_error();
    return -1;
}

bool matches_resume(Layout const& layout, lt::add_torrent_params const& resume, Links const& links,
                    Priorities const& priorities, lt::storage_error& error)
{
    bool const has_links = make_links(layout, links, error);
    if (error) return false;
    if (is_seed(layout, resume)) return all_are_whole(layout, resume, priorities, error);
    // Linked files bring pieces that the resume data does not know.
    return !has_links && claimed_are_there(layout, resume, priorities, error);
}

}  // namespace cove::disk
