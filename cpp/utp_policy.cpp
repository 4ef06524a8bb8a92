#include "utp_policy.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/session_handle.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_peer.hpp>

namespace cove {
namespace {

bool speaks_utp(lt::peer_connection_handle const& peer)
{
    lt::peer_info seen;
    peer.get_peer_info(seen);
    return bool(seen.flags & lt::peer_info::utp_socket);
}

// Runs on the network thread, after libtorrent has taken the connection in.
void redo_over_tcp(std::weak_ptr<lt::peer_connection> const& weak)
{
    auto const connection = weak.lock();
    if (!connection) return;
    lt::peer_connection_handle peer(connection);
    if (peer.is_disconnecting() || !speaks_utp(peer)) return;
    lt::torrent_peer* const known = connection->peer_info_struct();
    if (!known) return;
    known->supports_utp = false;
    known->confirmed_supports_utp = false;
    peer.disconnect(boost::asio::error::operation_aborted, lt::operation_t::connect);
    // Never connected: it may be dialled again at once.
    known->last_connected = 0;
}

struct TorrentPolicy final : lt::torrent_plugin {
    explicit TorrentPolicy(lt::io_context& context) : context_(context) {}

    std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override
    {
        if (peer.is_outgoing() && peer.on_local_network()) {
            std::weak_ptr<lt::peer_connection> weak = peer.native_handle();
            boost::asio::post(context_, [weak] { redo_over_tcp(weak); });
        }
        return nullptr;
    }

    lt::io_context& context_;
};

struct SessionPolicy final : lt::plugin {
    void added(lt::session_handle const& session) override
    {
        lt::session_handle handle(session);
        context_ = &handle.get_context();
    }

    std::shared_ptr<lt::torrent_plugin> new_torrent(lt::torrent_handle const&,
                                                    lt::client_data_t) override
    {
        if (!context_) return nullptr;
        return std::make_shared<TorrentPolicy>(*context_);
    }

    lt::io_context* context_ = nullptr;
};

}  // namespace

std::shared_ptr<lt::plugin> make_utp_policy() { return std::make_shared<SessionPolicy>(); }

}  // namespace cove
