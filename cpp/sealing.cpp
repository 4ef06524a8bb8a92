// Which files of a torrent are not to be sent once they were changed.
#include <libtorrent/torrent_info.hpp>

#include "cove/src/engine/ffi_details.rs.h"
#include "compat.h"
#include "impl.h"

namespace cove {
namespace {

std::vector<disk::FileMark> marks_of(rust::Slice<FileSeal const> files)
{
    std::vector<disk::FileMark> marks;
    for (auto const& file : files) marks.push_back({file.size, file.modified_s, file.modified_ns});
    return marks;
}

}  // namespace

lt::info_hash_t hashes_in(lt::add_torrent_params const& params)
{
    auto const info = torrent_file_of(params);
    return info ? info->info_hashes() : params.info_hashes;
}

void AddParams::seal(rust::Slice<FileSeal const> files) { impl->seal = marks_of(files); }

void Session::renew_seal(std::uint64_t token, rust::Slice<FileSeal const> files)
{
    impl->seals->renew(impl->handle(token).info_hashes(), marks_of(files));
}

}  // namespace cove
