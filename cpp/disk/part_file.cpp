#include "disk/part_file.h"

#include <algorithm>

#include <unistd.h>

namespace cove::disk {
namespace {

constexpr std::int32_t nowhere = -1;
// Two numbers before the slots: how many pieces there are, and how long they are.
constexpr std::size_t before_slots = 2;

void put(char* to, std::uint32_t number)
{
    for (int i = 3; i >= 0; --i, number >>= 8) to[i] = char(number & 0xff);
}

std::uint32_t number_at(char const* from)
{
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i) number = (number << 8) | static_cast<unsigned char>(from[i]);
    return number;
}

}  // namespace

PartFile::PartFile(std::string folder, std::string name, Roots const& roots, int pieces,
                   int piece_bytes)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      roots_(roots),
      piece_bytes_(piece_bytes),
      slots_(std::size_t(pieces), nowhere),
      taken_(std::size_t(pieces), false)
{
    lt::error_code missing;
    lt::operation_t operation;
    auto const file = open_file(path(), Access::Read, 0, missing, operation);
    if (file) load(*file);
}

void PartFile::load(File const& file)
{
    auto bytes = std::vector<char>(std::size_t(header_bytes()));
    lt::error_code error;
    auto const count = file.read(0, {bytes.data(), std::ptrdiff_t(bytes.size())}, error);
    bool const fits = count == header_bytes() && number_at(bytes.data()) == slots_.size()
        && number_at(bytes.data() + 4) == std::uint32_t(piece_bytes_);
    if (error || !fits) return;
    for (std::size_t piece = 0; piece < slots_.size(); ++piece) {
        auto const slot = number_at(bytes.data() + 4 * (before_slots + piece));
        // A damaged header must not make two pieces share a slot.
        if (slot >= taken_.size() || taken_[slot]) continue;
        slots_[piece] = std::int32_t(slot);
        taken_[slot] = true;
    }
}

void PartFile::write(int piece, int offset, std::vector<iovec>& from, lt::error_code& error)
{
    std::unique_lock<std::mutex> lock(mutex_);
    auto const file = open(Access::Write, error);
    int const slot = file ? slot_for(piece, *file, error) : nowhere;
    if (error) return;
    lock.unlock();
    file->write(position(slot, offset), from, error);
}

std::int64_t PartFile::read(int piece, int offset, lt::span<char> into, lt::error_code& error)
{
    std::unique_lock<std::mutex> lock(mutex_);
    auto const slot = slots_[std::size_t(piece)];
    if (slot == nowhere) {
        error = make_error_code(boost::system::errc::no_such_file_or_directory);
        return 0;
    }
    auto const file = open(Access::Read, error);
    lock.unlock();
    return file ? file->read(position(slot, offset), into, error) : 0;
}

bool PartFile::holds(int piece) const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    return slots_[std::size_t(piece)] != nowhere;
}

void PartFile::drop(int piece, lt::error_code& error)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    auto& slot = slots_[std::size_t(piece)];
    if (slot == nowhere) return;
    taken_[std::size_t(slot)] = false;
    slot = nowhere;
    bool const is_empty = std::find(taken_.begin(), taken_.end(), true) == taken_.end();
    if (is_empty) {
        file_.reset();
        if (::unlink(path().c_str()) != 0 && errno != ENOENT) error = last_error();
        return;
    }
    auto const file = open(Access::Write, error);
    if (file) note(*file, piece, nowhere, error);
}

void PartFile::close()
{
    std::lock_guard<std::mutex> const lock(mutex_);
    file_.reset();
}

void PartFile::moved_to(std::string folder)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    file_.reset();
    folder_ = std::move(folder);
}

std::string PartFile::path() const { return folder_ + '/' + name_; }

// Only a file opened for writing is kept open: while one is wanted, reads go along.
std::shared_ptr<File const> PartFile::open(Access access, lt::error_code& error)
{
    if (file_) return file_;
    lt::operation_t operation;
    if (access == Access::Read) return open_file(path(), access, 0, error, operation);
    if (!roots_.allow(path(), error)) return {};
    auto file = open_file(path(), access, 0666, error, operation);
    if (!file) return file;
    // All of it, since what was there may be of another form or half of one.
    auto bytes = header();
    std::vector<iovec> all{{bytes.data(), bytes.size()}};
    file->write(0, all, error);
    if (error) return {};
    file_ = std::move(file);
    return file_;
}

int PartFile::slot_for(int piece, File const& file, lt::error_code& error)
{
    auto const known = slots_[std::size_t(piece)];
    if (known != nowhere) return known;
    int const slot = free_slot();
    note(file, piece, slot, error);
    if (error) return nowhere;
    slots_[std::size_t(piece)] = slot;
    taken_[std::size_t(slot)] = true;
    return slot;
}

void PartFile::note(File const& file, int piece, int slot, lt::error_code& error) const
{
    char bytes[4];
    put(bytes, std::uint32_t(slot));
    std::vector<iovec> entry{{bytes, sizeof bytes}};
    file.write(std::int64_t(4 * (before_slots + std::size_t(piece))), entry, error);
}

std::int64_t PartFile::position(int slot, int offset) const
{
    return header_bytes() + std::int64_t(slot) * piece_bytes_ + offset;
}

// Whole kilobytes, so that slots lie well on disk.
std::int64_t PartFile::header_bytes() const
{
    return std::int64_t((4 * (before_slots + slots_.size()) + 1023) / 1024 * 1024);
}

std::vector<char> PartFile::header() const
{
    std::vector<char> bytes(std::size_t(header_bytes()), '\0');
    put(bytes.data(), std::uint32_t(slots_.size()));
    put(bytes.data() + 4, std::uint32_t(piece_bytes_));
    for (std::size_t piece = 0; piece < slots_.size(); ++piece) {
        put(bytes.data() + 4 * (before_slots + piece), std::uint32_t(slots_[piece]));
    }
    return bytes;
}

int PartFile::free_slot() const
{
    return int(std::find(taken_.begin(), taken_.end(), false) - taken_.begin());
}

}  // namespace cove::disk
