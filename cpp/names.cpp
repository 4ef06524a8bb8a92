// The names that files have on the disk, whatever a torrent calls them.
#include "names.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace cove {
namespace {

constexpr std::size_t part_bytes_max = 255;

bool is_unwanted(std::uint32_t const c)
{
    auto const is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    auto const is_direction = c == 0x061c || c == 0x200e || c == 0x200f
        || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return is_control || is_direction || c == '/';
}

// The code point at the start of `text` and its length; (_, 0) when it is not UTF-8.
std::pair<std::uint32_t, std::size_t> decode(std::string_view const text)
{
    auto const first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return {first, 1};
    std::size_t const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (length == 0 || first > 0xf4 || text.size() < length) return {0, 0};
    auto point = std::uint32_t(first) & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        auto const next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0) != 0x80) return {0, 0};
        point = (point << 6) | (next & 0x3fu);
    }
    return {point, length};
}

// At most 255 bytes, keeping a short extension so that the file stays what it is.
std::string shorten(std::string const& part, std::size_t const bytes_max)
{
    if (part.size() <= bytes_max) return part;
    auto const dot = part.rfind('.');
    auto const tail = dot != std::string::npos && dot > 0 && part.size() - dot <= 16
        ? part.substr(dot) : std::string();
    auto end = bytes_max - tail.size();
    while (end > 0 && (static_cast<unsigned char>(part[end]) & 0xc0) == 0x80) --end;
    return part.substr(0, end) + tail;
}

std::vector<std::string> split(std::string const& path)
{
    std::vector<std::string> parts;
    std::size_t begin = 0;
    while (begin <= path.size()) {
        auto const end = std::min(path.find('/', begin), path.size());
        parts.push_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::string lower(std::string path)
{
    std::transform(path.begin(), path.end(), path.begin(),
        [](char const c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return path;
}

// The paths that are taken, files and folders, without regard to the case of ASCII letters.
class Taken final {
public:
    void add_folders(std::string const& path)
    {
        auto const folded = lower(path);
        for (auto end = folded.rfind('/'); end != std::string::npos && end > 0;
             end = folded.rfind('/', end - 1)) {
            if (!folders_.insert(folded.substr(0, end)).second) return;
        }
    }
    // False when the path is taken already.
    bool add_file(std::string const& path)
    {
        auto folded = lower(path);
        return folders_.count(folded) == 0 && files_.insert(std::move(folded)).second;
    }

private:
    std::unordered_set<std::string> files_;
    std::unordered_set<std::string> folders_;
};

// `a/b.txt` to `a/b.1.txt`.
std::string numbered(std::string const& path, int const number)
{
    auto const slash = path.rfind('/');
    auto const begin = slash == std::string::npos ? 0 : slash + 1;
    auto const mark = "." + std::to_string(number);
    auto const part = shorten(path.substr(begin), part_bytes_max - mark.size());
    auto const dot = part.rfind('.');
    auto const at = dot == std::string::npos || dot == 0 ? part.size() : dot;
    return path.substr(0, begin) + part.substr(0, at) + mark + part.substr(at);
}

std::string current_name(
    lt::file_storage const& files, Renames const& renames, lt::file_index_t const file)
{
    auto const renamed = renames.find(file);
    return renamed == renames.end() ? files.file_path(file) : renamed->second;
}

}  // namespace

std::string clean_part(std::string const& part)
{
    std::string clean;
    for (std::string_view rest = part; !rest.empty();) {
        auto const [point, length] = decode(rest);
        if (length == 0) clean += '_';
        else if (!is_unwanted(point)) clean += rest.substr(0, length);
        rest.remove_prefix(std::max<std::size_t>(length, 1));
    }
    if (clean.empty() || clean == "." || clean == "..") return "_";
    return shorten(clean, part_bytes_max);
}

std::string clean_name(std::string const& name) { return name.empty() ? name : clean_part(name); }

std::string clean_path(std::string const& path)
{
    std::string clean;
    for (auto const& part : split(path)) {
        if (part.empty() || part == "." || part == "..") continue;
        if (!clean.empty()) clean += '/';
        clean += clean_part(part);
    }
    return clean.empty() ? "_" : clean;
}

Renames clean_names(lt::torrent_info const& info, Renames const& renames)
{
    auto const& files = info.files();
    Taken taken;
    std::vector<std::string> names;
    names.reserve(static_cast<std::size_t>(files.num_files()));
    for (auto const file : files.file_range()) {
        names.push_back(clean_path(current_name(files, renames, file)));
        if (!files.pad_file_at(file)) taken.add_folders(names.back());
    }
    Renames changed;
    // One count for all names: with one for each, equal names by the thousand would take minutes.
    int number = 0;
    for (auto const file : files.file_range()) {
        if (files.pad_file_at(file)) continue;
        auto const& wish = names[static_cast<std::size_t>(static_cast<int>(file))];
        auto name = wish;
        while (!taken.add_file(name)) name = numbered(wish, ++number);
        if (name != current_name(files, renames, file)) changed[file] = name;
    }
    return changed;
}

int count_collisions(lt::file_storage const& files)
{
    std::unordered_map<std::string, std::int64_t> seen;
    int count = 0;
    for (auto const file : files.file_range()) {
        auto const size = files.file_size(file);
        auto const [first, is_new] = seen.emplace(lower(files.file_path(file)), size);
        auto const is_like_padding = files.pad_file_at(file) && first->second == size;
        if (!is_new && !is_like_padding) ++count;
    }
    return count;
}

}  // namespace cove
