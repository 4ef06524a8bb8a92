#include "disk/roots.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace cove::disk {
namespace {

namespace fs = std::filesystem;

bool is_below(fs::path const& path, fs::path const& root)
{
    auto const last = std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first;
    // A root that is written with a slash at its end ends with an empty part.
    return last == root.end() || last->empty();
}

}  // namespace

bool Roots::allow(std::string const& path, lt::error_code& error) const
{
    if (folders_.empty()) return true;
    std::error_code failed;
    auto const real = fs::weakly_canonical(path, failed);
    if (failed) {
        error = lt::error_code(failed.value(), lt::system_category());
        return false;
    }
    bool const is_inside = std::any_of(folders_.begin(), folders_.end(), [&](auto const& folder) {
        std::error_code ignored;
        auto const root = fs::weakly_canonical(folder, ignored);
        return !ignored && is_below(real, root);
    });
    if (!is_inside) error = lt::error_code(ELOOP, lt::system_category());
    return is_inside;
}

}  // namespace cove::disk
