#include "disk/seals.h"

#include <string>

namespace cove::disk {
namespace {

// One condition, with the words that users read.
class SealCategory final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "seal"; }
    std::string message(int) const override { return "the file was changed after it was shared"; }
};

boost::system::error_category const& seal_category()
{
    static SealCategory const category;
    return category;
}

// A hybrid goes by two names, the second cut to the length of the first.
std::vector<lt::sha1_hash> names_of(lt::info_hash_t const& torrent)
{
    std::vector<lt::sha1_hash> names;
    torrent.for_each([&](lt::sha1_hash const& name, lt::protocol_version) { names.push_back(name); });
    return names;
}

}  // namespace

void Seal::set(std::vector<FileMark> marks)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    marks_ = std::move(marks);
}

bool Seal::fits(lt::file_index_t file, struct stat const& found) const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    if (marks_.empty()) return true;
    auto const index = std::size_t(static_cast<int>(file));
    if (index >= marks_.size()) return false;
    auto const& mark = marks_[index];
    return mark.size == found.st_size && mark.modified_s == found.st_mtim.tv_sec
        && mark.modified_ns == found.st_mtim.tv_nsec;
}

void Seals::put(lt::info_hash_t const& torrent, std::vector<FileMark> marks)
{
    auto const seal = std::make_shared<Seal>(std::move(marks));
    std::lock_guard<std::mutex> const lock(mutex_);
    for (auto const& name : names_of(torrent)) seals_.insert_or_assign(name, seal);
}

void Seals::renew(lt::info_hash_t const& torrent, std::vector<FileMark> marks)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    auto const names = names_of(torrent);
    auto const found = names.empty() ? seals_.end() : seals_.find(names.front());
    if (found != seals_.end()) found->second->set(std::move(marks));
}

void Seals::drop(lt::info_hash_t const& torrent)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    for (auto const& name : names_of(torrent)) seals_.erase(name);
}

std::shared_ptr<Seal const> Seals::of(lt::sha1_hash const& torrent) const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    auto const found = seals_.find(torrent);
    return found == seals_.end() ? nullptr : found->second;
}

lt::error_code broken_seal() { return {1, seal_category()}; }

bool is_broken_seal(lt::error_code const& error) { return error == broken_seal(); }

}  // namespace cove::disk
