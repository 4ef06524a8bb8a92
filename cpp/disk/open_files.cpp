#include "disk/open_files.h"

#include <algorithm>

namespace cove::disk {
namespace {

std::uint64_t key_of(std::uint32_t owner, lt::file_index_t file)
{
    return (std::uint64_t(owner) << 32) | std::uint32_t(static_cast<int>(file));
}

std::uint32_t owner_of(std::uint64_t key) { return std::uint32_t(key >> 32); }

}  // namespace

std::shared_ptr<File const> OpenFiles::get(std::uint32_t owner, lt::file_index_t file,
                                           Access access, Opener const& open)
{
    auto const key = key_of(owner, file);
    {
        std::lock_guard<std::mutex> const lock(mutex_);
        auto const found = entries_.find(key);
        bool const fits = found != entries_.end()
            && (access == Access::Read || found->second.access == Access::Write);
        if (fits) {
            found->second.used = lt::clock_type::now();
            return found->second.file;
        }
    }
    auto opened = open();
    if (!opened) return opened;
    std::lock_guard<std::mutex> const lock(mutex_);
    // A file opened by two threads at once: the one for writing stays.
    auto const found = entries_.find(key);
    if (found != entries_.end() && found->second.access == Access::Write) return opened;
    entries_.insert_or_assign(key, Entry{opened, access, lt::clock_type::now()});
    while (entries_.size() > limit_) close_oldest();
    return opened;
}

void OpenFiles::close(std::uint32_t owner)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    for (auto i = entries_.begin(); i != entries_.end();) {
        i = owner_of(i->first) == owner ? entries_.erase(i) : std::next(i);
    }
}

void OpenFiles::close(std::uint32_t owner, lt::file_index_t file)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    entries_.erase(key_of(owner, file));
}

void OpenFiles::set_limit(int files)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    limit_ = std::size_t(std::max(files, 1));
    while (entries_.size() > limit_) close_oldest();
}

std::vector<lt::open_file_state> OpenFiles::of(std::uint32_t owner) const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    std::vector<lt::open_file_state> states;
    for (auto const& [key, entry] : entries_) {
        if (owner_of(key) != owner) continue;
        auto const mode = entry.access == Access::Write ? lt::file_open_mode::read_write
                                                        : lt::file_open_mode::read_only;
        states.push_back({lt::file_index_t(int(std::uint32_t(key))), mode, entry.used});
    }
    return states;
}

void OpenFiles::close_oldest()
{
    auto const older = [](auto const& a, auto const& b) { return a.second.used < b.second.used; };
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), older));
}

}  // namespace cove::disk
