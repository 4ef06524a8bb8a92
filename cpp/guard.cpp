// libtorrent calls plug-ins on its network thread in the moment it posts an alert, before it goes on.
//
// A magnet's files are named by a peer, past our parser: metadata_received_alert is the moment to
// clean the names, or to keep everything from being made. fastresume_rejected_alert is the moment to
// stop, before everything is checked and what is missing downloaded. An alert is lost only if
// 200,000 others wait; the service looks at files before it adds a torrent and after metadata came.
#include "guard.h"

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

class Guard final : public lt::plugin {
public:
    Guard(std::shared_ptr<Refusals> refusals, ParseLimits const& limits)
        : refusals_(std::move(refusals)), limits_(limits)
    {
    }

    lt::feature_flags_t implemented_features() override { return alert_feature; }

    // Every call on a handle is done at once, since this is the network thread.
    void on_alert(lt::alert const* alert) override
    {
        if (auto const* a = lt::alert_cast<lt::metadata_received_alert>(alert)) judge(a->handle);
        if (auto const* a = lt::alert_cast<lt::fastresume_rejected_alert>(alert)) stop(a->handle);
    }

private:
    void judge(lt::torrent_handle const& torrent) const noexcept
    {
        try {
            let_in(torrent);
        } catch (std::exception const& error) {
            keep_out(torrent, error.what());
        }
    }

    static void stop(lt::torrent_handle const& torrent) noexcept
    {
        try {
            torrent.unset_flags(lt::torrent_flags::auto_managed);
            torrent.pause();
        } catch (std::exception const&) {
            // The torrent is being removed.
            return;
        }
    }

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
    void keep_out(lt::torrent_handle const& torrent, char const* why) const noexcept
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

std::shared_ptr<lt::plugin> make_guard(std::shared_ptr<Refusals> refusals,
                                                ParseLimits const& limits)
{
    return std::make_shared<Guard>(std::move(refusals), limits);
}

}  // namespace cove
