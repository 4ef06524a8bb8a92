// A magnet's files are named by a peer, past our parser. libtorrent posts metadata_received_alert
// on its network thread before it opens a file, and calls plug-ins at once: that is the moment to
// clean the names, or to keep everything from being made. The alert is lost, and with it the
// judgement, only if 200,000 others wait; the service looks at the files once more.
#include "metadata_guard.h"

#include <exception>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>

#include "compat.h"
#include "convert.h"
#include "impl.h"

namespace cove {
namespace {

class MetadataGuard final : public lt::plugin {
public:
    MetadataGuard(std::shared_ptr<Refusals> refusals, ParseLimits const& limits)
        : refusals_(std::move(refusals)), limits_(limits)
    {
    }

    lt::feature_flags_t implemented_features() override { return alert_feature; }

    void on_alert(lt::alert const* alert) override
    {
        auto const* const received = lt::alert_cast<lt::metadata_received_alert>(alert);
        if (received == nullptr) return;
        // Every call on the handle is done at once, since this is the network thread.
        try {
            let_in(received->handle);
        } catch (std::exception const& error) {
            keep_out(received->handle, error.what());
        }
    }

private:
    // As parse_torrent does with a file.
    void let_in(lt::torrent_handle const& torrent) const
    {
        auto const live = torrent.torrent_file();
        if (!live) return;
        check_files(live->files(), limits_);
        lt::add_torrent_params judged;
        judged.ti = std::make_shared<lt::torrent_info>(*live);
        defuse(judged);
        rename_before_opening(*live, *torrent_file_of(judged), judged.renamed_files);
    }

    // No file that is not wanted is made, and no piece of it asked for; the engine takes the
    // torrent out when it reads the alert.
    void keep_out(lt::torrent_handle const& torrent, char const* why) noexcept
    {
        try {
            auto const count = std::size_t(torrent.torrent_file()->num_files());
            torrent.prioritize_files(
                std::vector<lt::download_priority_t>(count, lt::dont_download));
            refusals_->put(token_in(torrent.userdata()), why);
        } catch (std::exception const&) {
            // Out of memory, in effect; nothing may be thrown into libtorrent.
            return;
        }
    }

    std::shared_ptr<Refusals> refusals_;
    ParseLimits limits_;
};

}  // namespace

void Refusals::put(std::uint64_t token, std::string why)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    by_token_[token] = std::move(why);
}

std::optional<std::string> Refusals::take(std::uint64_t token)
{
    std::lock_guard<std::mutex> const lock(mutex_);
    auto const found = by_token_.find(token);
    if (found == by_token_.end()) return std::nullopt;
    auto why = std::move(found->second);
    by_token_.erase(found);
    return why;
}

std::shared_ptr<lt::plugin> make_metadata_guard(std::shared_ptr<Refusals> refusals,
                                                ParseLimits const& limits)
{
    return std::make_shared<MetadataGuard>(std::move(refusals), limits);
}

}  // namespace cove
