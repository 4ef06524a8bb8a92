#include "disk/storage.h"

#include <algorithm>
#include <cstring>

#include <libtorrent/torrent_status.hpp>
#include <unistd.h>

#include "disk/layout.h"

namespace cove::disk {
namespace {

// What one export from the part file carries at a time.
constexpr std::size_t export_bytes = 256 * 1024;

void set(lt::storage_error& error, lt::error_code const& code, lt::operation_t operation,
         lt::file_index_t file)
{
    error = lt::storage_error(code, file, operation);
}

std::string hex(lt::sha1_hash const& hash)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (auto const byte : hash) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

// The first `length` bytes of what `from` has left.
std::vector<iovec> first_bytes(std::vector<iovec> const& from, std::size_t& element,
                               std::size_t& used, std::size_t length)
{
    std::vector<iovec> part;
    while (length > 0) {
        auto const& source = from[element];
        auto const count = std::min(length, source.iov_len - used);
        part.push_back({static_cast<char*>(source.iov_base) + used, count});
        length -= count;
        used += count;
        if (used < source.iov_len) continue;
        used = 0;
        ++element;
    }
    return part;
}

std::size_t bytes_in(std::vector<iovec> const& all)
{
    std::size_t bytes = 0;
    for (auto const& element : all) bytes += element.iov_len;
    return bytes;
}

}  // namespace

Storage::Storage(lt::storage_params const& params, std::shared_ptr<void> owner,
                 OpenFiles& open_files, Roots const& roots, std::shared_ptr<Seal const> seal,
                 std::uint32_t number)
    : original_(params.files),
      owner_(std::move(owner)),
      open_files_(open_files),
      roots_(roots),
      seal_(std::move(seal)),
      number_(number),
      folder_(absolute(params.path)),
      is_solid_(params.mode == lt::storage_mode_allocate),
      priorities_(params.priorities),
      part_name_("." + hex(params.info_hash) + ".parts")
{
    if (params.mapped_files != nullptr) {
        renamed_ = std::make_unique<lt::file_storage>(*params.mapped_files);
    }
}

Storage::~Storage() { open_files_.close(number_); }

int Storage::piece_bytes_v2(lt::piece_index_t piece) const
{
    return original_.v2() ? original_.piece_size2(piece) : 0;
}

template <typename Each>
void Storage::for_slices(lt::piece_index_t piece, int offset, std::int64_t length, Each each)
{
    auto const& all = files();
    auto position = static_cast<int>(piece) * std::int64_t(all.piece_length()) + offset;
    for (auto file = all.file_index_at_offset(position); length > 0; ++file) {
        auto const within = position - all.file_offset(file);
        auto const count = std::min(length, all.file_size(file) - within);
        if (count <= 0) continue;
        if (!each(Slice{file, within, count})) return;
        position += count;
        length -= count;
    }
}

void Storage::read(lt::piece_index_t piece, int offset, lt::span<char> into,
                   lt::storage_error& error)
{
    read_all(piece, offset, into, nullptr, error);
}

void Storage::serve(lt::piece_index_t piece, int offset, lt::span<char> into,
                    lt::storage_error& error)
{
    read_all(piece, offset, into, seal_.get(), error);
}

void Storage::read_all(lt::piece_index_t piece, int offset, lt::span<char> into, Seal const* seal,
                       lt::storage_error& error)
{
    for_slices(piece, offset, into.size(), [&](Slice const& slice) {
        read_slice(slice, into.first(slice.length), seal, error);
        into = into.subspan(slice.length);
        return !error;
    });
}

void Storage::write(lt::piece_index_t piece, int offset, std::vector<iovec> const& from,
                    lt::storage_error& error)
{
    std::size_t element = 0;
    std::size_t used = 0;
    for_slices(piece, offset, std::int64_t(bytes_in(from)), [&](Slice const& slice) {
        auto part = first_bytes(from, element, used, std::size_t(slice.length));
        write_slice(slice, part, error);
        return !error;
    });
}

void Storage::read_slice(Slice const& slice, lt::span<char> into, Seal const* seal,
                         lt::storage_error& error)
{
    if (files().pad_file_at(slice.file)) {
        std::memset(into.data(), 0, std::size_t(into.size()));
        return;
    }
    lt::error_code failed;
    std::int64_t count = 0;
    auto operation = lt::operation_t::file_read;
    if (in_part_file(slice.file)) {
        operation = lt::operation_t::partfile_read;
        auto const place = files().map_file(slice.file, slice.offset, 0);
        count = part_file().read(static_cast<int>(place.piece), place.start, into, failed);
    } else {
        auto const file = open(slice.file, Access::Read, error);
        if (!file) return;
        count = file->read(slice.offset, into, failed);
        // After the read: the system notes the time of a write before it takes its bytes, so
        // whatever was read of one is seen here. Of the descriptor, since another file may have
        // taken the name.
        if (seal != nullptr && !seal->fits(slice.file, file->status(failed))) failed = broken_seal();
    }
    if (!failed && count < into.size()) failed = boost::asio::error::eof;
    if (failed) set(error, failed, operation, slice.file);
}

void Storage::write_slice(Slice const& slice, std::vector<iovec>& from, lt::storage_error& error)
{
    if (files().pad_file_at(slice.file)) return;
    lt::error_code failed;
    auto operation = lt::operation_t::file_write;
    if (in_part_file(slice.file)) {
        operation = lt::operation_t::partfile_write;
        auto const place = files().map_file(slice.file, slice.offset, 0);
        part_file().write(static_cast<int>(place.piece), place.start, from, failed);
    } else {
        auto const file = open(slice.file, Access::Write, error);
        if (!file) return;
        file->write(slice.offset, from, failed);
    }
    if (failed) set(error, failed, operation, slice.file);
}

std::shared_ptr<File const> Storage::open(lt::file_index_t file, Access access,
                                          lt::storage_error& error)
{
    return open_files_.get(number_, file, access, [&] { return open_now(file, access, error); });
}

std::shared_ptr<File const> Storage::open_now(lt::file_index_t file, Access access,
                                              lt::storage_error& error) const
{
    bool const runs = bool(files().file_flags(file) & lt::file_storage::flag_executable);
    lt::error_code failed;
    lt::operation_t operation;
    auto const path = path_of(file);
    if (access == Access::Write && !roots_.allow(path, failed)) {
        set(error, failed, lt::operation_t::file_open, file);
        return {};
    }
    auto opened = open_file(path, access, runs ? 0777 : 0666, failed, operation);
    if (opened && access == Access::Write) {
        operation = is_solid_ ? lt::operation_t::file_fallocate : lt::operation_t::file_truncate;
        opened->extend(files().file_size(file), is_solid_, failed);
    }
    if (!failed) return opened;
    set(error, failed, operation, file);
    return {};
}

std::string Storage::path_of(lt::file_index_t file) const
{
    return files().file_path(file, folder_);
}

bool Storage::is_wanted(lt::file_index_t file) const
{
    return file >= priorities_.end_index() || priorities_[file] != lt::dont_download;
}

bool Storage::in_part_file(lt::file_index_t file) const
{
    auto const index = std::size_t(static_cast<int>(file));
    return !is_wanted(file) && part_file_ && !(index < keeps_file_.size() && keeps_file_[index]);
}

PartFile& Storage::part_file()
{
    if (!part_file_) {
        part_file_ = std::make_unique<PartFile>(folder_, part_name_, roots_, files().num_pieces(),
                                                files().piece_length());
    }
    return *part_file_;
}

lt::status_t Storage::check(lt::add_torrent_params const* resume, Links const& links, bool believe,
                            lt::storage_error& error)
{
    bool const is_oversized = create_missing(error);
    auto const flags = is_oversized ? lt::status_t::oversized_file : lt::status_t::no_error;
    release();
    if (error) return lt::status_t::fatal_disk_error;
    lt::add_torrent_params const none;
    auto const& known = resume != nullptr ? *resume : none;
    Layout const layout{files(), folder_, roots_};
    bool const is_true = matches_resume(layout, known, links, priorities_, error);
    if (believe) return lt::status_t::no_error | flags;
    bool const says_something =
        !known.have_pieces.empty() || bool(known.flags & lt::torrent_flags::seed_mode);
    bool const needs_hashing = says_something ? !is_true : has_any_file();
    return (needs_hashing ? lt::status_t::need_full_check : lt::status_t::no_error) | flags;
}

// Empty files are made here, since no block of theirs ever comes. Says whether a file is longer
// than the torrent says. Symlinks are not made (rule F3).
bool Storage::create_missing(lt::storage_error& error)
{
    bool is_oversized = false;
    auto const& all = files();
    keeps_file_.assign(std::size_t(all.num_files()), false);
    for (auto const file : all.file_range()) {
        bool const is_link = bool(all.file_flags(file) & lt::file_storage::flag_symlink);
        if (all.pad_file_at(file) || is_link) continue;
        lt::error_code failed;
        auto const size = size_of(path_of(file), failed);
        bool const is_there = !failed;
        if (failed && !is_missing(failed)) {
            set(error, failed, lt::operation_t::file_stat, file);
            return false;
        }
        is_oversized |= is_there && size > all.file_size(file);
        if (!is_wanted(file)) {
            keeps_file_[std::size_t(static_cast<int>(file))] = is_there && size > 0;
            if (size <= 0) part_file();
        } else if (!is_there && all.file_size(file) == 0) {
            open(file, Access::Write, error);
        }
        if (error) return false;
    }
    return is_oversized;
}

bool Storage::has_any_file() const
{
    auto const& all = files();
    lt::error_code ignored;
    for (auto const file : all.file_range()) {
        if (!all.pad_file_at(file) && size_of(path_of(file), ignored) > 0) return true;
    }
    return size_of(folder_ + '/' + part_name_, ignored) >= 0;
}

std::pair<lt::status_t, std::string> Storage::move(std::string const& folder,
                                                   lt::move_flags_t flags,
                                                   lt::storage_error& error)
{
    release();
    auto const to = absolute(folder);
    auto const status = move_files({files(), folder_, roots_}, to, part_name_, flags, error);
    if (status == lt::status_t::no_error || status == lt::status_t::need_full_check) {
        folder_ = to;
        if (part_file_) part_file_->moved_to(to);
    }
    return {status, folder_};
}

void Storage::rename(lt::file_index_t file, std::string const& name, lt::storage_error& error)
{
    if (name.empty()) {
        auto const wrong = make_error_code(boost::system::errc::invalid_argument);
        set(error, wrong, lt::operation_t::file_rename, file);
        return;
    }
    open_files_.close(number_, file);
    auto const to = name.front() == '/' ? name : folder_ + '/' + name;
    lt::error_code failed;
    bool const is_copied = move_file(path_of(file), to, roots_, failed);
    if (is_copied && ::unlink(path_of(file).c_str()) != 0) failed = last_error();
    // What is not there yet is made under the new name.
    if (failed && !is_missing(failed)) {
        set(error, failed, lt::operation_t::file_rename, file);
        return;
    }
    if (!renamed_) renamed_ = std::make_unique<lt::file_storage>(original_);
    renamed_->rename_file(file, name);
}

void Storage::remove(lt::remove_flags_t what, lt::storage_error& error)
{
    release();
    part_file_.reset();
    remove_files({files(), folder_, roots_}, part_name_, what, error);
}

void Storage::set_priorities(Priorities& wanted, lt::storage_error& error)
{
    if (wanted.size() > priorities_.size()) priorities_.resize(wanted.size(), lt::default_priority);
    keeps_file_.resize(std::size_t(files().num_files()), false);
    for (lt::file_index_t file{0}; file < wanted.end_index(); ++file) {
        if (files().pad_file_at(file)) continue;
        bool const was_wanted = is_wanted(file);
        bool const is_now = wanted[file] != lt::dont_download;
        if (!was_wanted && is_now && in_part_file(file)) export_file(file, error);
        if (was_wanted && !is_now) {
            // Bytes that are in the file stay there.
            lt::error_code failed;
            bool const stays = size_of(path_of(file), failed) >= 0;
            if (failed && !is_missing(failed)) set(error, failed, lt::operation_t::file_stat, file);
            keeps_file_[std::size_t(static_cast<int>(file))] = stays;
            if (!stays) part_file();
        }
        if (error) {
            wanted = priorities_;
            return;
        }
        priorities_[file] = wanted[file];
        if (!was_wanted && is_now) drop_exported(file, error);
    }
}

void Storage::export_file(lt::file_index_t file, lt::storage_error& error)
{
    auto const target = open(file, Access::Write, error);
    if (!target) return;
    std::vector<char> bytes(export_bytes);
    auto const size = files().file_size(file);
    for (std::int64_t done = 0; done < size && !error;) {
        auto const place = files().map_file(file, done, 0);
        std::int64_t const in_piece = files().piece_length() - place.start;
        auto const count = std::min({in_piece, size - done, std::int64_t(export_bytes)});
        if (part_file().holds(static_cast<int>(place.piece))) {
            lt::error_code failed;
            // The slot may end early: what was never written after it is nothing to move.
            auto const read = part_file().read(static_cast<int>(place.piece), place.start,
                                               {bytes.data(), std::ptrdiff_t(count)}, failed);
            std::vector<iovec> part{{bytes.data(), std::size_t(read)}};
            if (!failed && read > 0) target->write(done, part, failed);
            if (failed) set(error, failed, lt::operation_t::partfile_write, file);
        }
        done += count;
    }
}

// Slots of which no unwanted file has a share any more are free.
void Storage::drop_exported(lt::file_index_t file, lt::storage_error& error)
{
    auto const& all = files();
    if (!part_file_ || all.file_size(file) == 0) return;
    auto const first = all.map_file(file, 0, 0).piece;
    auto const last = all.map_file(file, all.file_size(file) - 1, 0).piece;
    for (auto piece = first; piece <= last; ++piece) {
        bool is_shared = false;
        for_slices(piece, 0, all.piece_size(piece), [&](Slice const& slice) {
            is_shared = !all.pad_file_at(slice.file) && in_part_file(slice.file);
            return !is_shared;
        });
        lt::error_code failed;
        if (!is_shared) part_file_->drop(static_cast<int>(piece), failed);
        if (failed) {
            set(error, failed, lt::operation_t::partfile_write,
                lt::torrent_status::error_file_partfile);
            return;
        }
    }
}

void Storage::release()
{
    if (part_file_) part_file_->close();
    open_files_.close(number_);
}

}  // namespace cove::disk
