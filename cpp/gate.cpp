// libtorrent asks its plug-ins about a connection when it knows the torrent: of an incoming one
// after the other side's handshake was read and before ours is written. A plug-in that throws there
// has the connection closed at once (torrent::attach_peer catches). An outgoing one is made without
// such a catch, so it is closed from the outside, in the next turn of the loop, before it can have
// connected.
#include "gate.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/session_handle.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "convert.h"
#include "impl.h"

namespace cove {
namespace {

using Connection = std::weak_ptr<lt::peer_connection>;

// Sixteen bytes, an IPv4 address in its IPv6 form.
std::array<std::uint8_t, 16> address_of(lt::tcp::endpoint const& endpoint)
{
    auto const address = endpoint.address();
    if (address.is_v6()) return address.to_v6().to_bytes();
    std::array<std::uint8_t, 16> bytes{};
    bytes[10] = bytes[11] = 0xff;
    auto const four = address.to_v4().to_bytes();
    std::copy(four.begin(), four.end(), bytes.begin() + 12);
    return bytes;
}

void close(Connection const& weak)
{
    auto const connection = weak.lock();
    if (!connection) return;
    lt::peer_connection_handle peer(connection);
    if (peer.is_disconnecting()) return;
    peer.disconnect(lt::errors::make_error_code(lt::errors::banned_by_ip_filter),
                    lt::operation_t::bittorrent);
}

// How a torrent is known to our own tracker.
std::array<std::uint8_t, 20> id_of(lt::info_hash_t const& hashes)
{
    auto const hash = hashes.has_v1() ? hashes.v1 : lt::sha1_hash(hashes.v2.data());
    std::array<std::uint8_t, 20> id{};
    std::copy(hash.begin(), hash.end(), id.begin());
    return id;
}

// Tells how much passed over a connection when it ends: between two looks it may come and go.
class Meter final : public lt::peer_plugin {
public:
    Meter(Gate const& gate, std::array<std::uint8_t, 20> torrent, Connection connection)
        : gate_(gate), torrent_(torrent), connection_(std::move(connection))
    {
    }

    void on_disconnect(lt::error_code const&) override
    {
        auto const connection = connection_.lock();
        if (!connection) return;
        lt::peer_info info;
        connection->get_peer_info(info);
        if (info.total_upload <= 0 && info.total_download <= 0) return;
        std::array<std::uint8_t, 20> id{};
        std::copy(info.pid.begin(), info.pid.end(), id.begin());
        gate_.ended(torrent_,
                    EndedConnection{address_of(info.ip), info.ip.port(), id,
                                    static_cast<std::uint64_t>(info.total_upload),
                                    static_cast<std::uint64_t>(info.total_download)});
    }

private:
    Gate const& gate_;
    std::array<std::uint8_t, 20> torrent_;
    Connection connection_;
};

}  // namespace

// One torrent's door, and the members that came through it.
class TorrentDoor final : public lt::torrent_plugin {
public:
    TorrentDoor(Gate const& gate, lt::io_context& context, std::array<std::uint8_t, 20> id)
        : gate_(gate), context_(context), id_(id)
    {
    }

    std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override
    {
        if (peer.type() != lt::connection_type::bittorrent) return nullptr;
        switch (judge(peer)) {
            case Verdict::Open: return nullptr;
            case Verdict::Guest: return meter(peer);
            case Verdict::Member: remember(peer.native_handle()); return meter(peer);
            default: break;
        }
        if (!peer.is_outgoing()) throw std::runtime_error("not a member");
        Connection const weak = peer.native_handle();
        boost::asio::post(context_, [weak] { close(weak); });
        return nullptr;
    }

    void judge_again() const
    {
        // A copy: what is closed may come back here.
        auto const members = members_;
        for (auto const& weak : members) {
            auto const connection = weak.lock();
            if (!connection) continue;
            lt::peer_connection_handle const peer(connection);
            if (judge(peer) == Verdict::Stranger) close(weak);
        }
    }

private:
    Verdict judge(lt::peer_connection_handle const& peer) const
    {
        return gate_.judge(id_, address_of(peer.remote()), address_of(peer.local_endpoint()));
    }

    std::shared_ptr<lt::peer_plugin> meter(lt::peer_connection_handle const& peer) const
    {
        return std::make_shared<Meter>(gate_, id_, peer.native_handle());
    }

    void remember(Connection connection)
    {
        auto const is_over = [](Connection const& known) { return known.expired(); };
        members_.erase(std::remove_if(members_.begin(), members_.end(), is_over), members_.end());
        members_.push_back(std::move(connection));
    }

    Gate const& gate_;
    lt::io_context& context_;
    std::array<std::uint8_t, 20> id_;
    std::vector<Connection> members_;
};

namespace {

class SessionGate final : public lt::plugin {
public:
    SessionGate(Gate const& gate, std::shared_ptr<Doors> doors) : gate_(gate), doors_(std::move(doors)) {}

    void added(lt::session_handle const& session) override
    {
        lt::session_handle handle(session);
        context_ = &handle.get_context();
    }

    std::shared_ptr<lt::torrent_plugin> new_torrent(lt::torrent_handle const& torrent,
                                                    lt::client_data_t data) override
    {
        if (!context_) return nullptr;
        auto door = std::make_shared<TorrentDoor>(gate_, *context_, id_of(torrent.info_hashes()));
        doors_->put(token_in(data), door);
        return door;
    }

private:
    Gate const& gate_;
    std::shared_ptr<Doors> doors_;
    lt::io_context* context_ = nullptr;
};

}  // namespace

void Doors::put(std::uint64_t token, std::weak_ptr<TorrentDoor> door)
{
    if (by_token_.size() >= sweep_at_) {
        for (auto i = by_token_.begin(); i != by_token_.end();) {
            i = i->second.expired() ? by_token_.erase(i) : std::next(i);
        }
        sweep_at_ = 2 * by_token_.size() + 64;
    }
    by_token_[token] = std::move(door);
}

void Doors::judge_again(std::uint64_t token) const
{
    auto const found = by_token_.find(token);
    if (found == by_token_.end()) return;
    if (auto const door = found->second.lock()) door->judge_again();
}

std::shared_ptr<lt::plugin> make_gate(Gate const& gate, std::shared_ptr<Doors> doors)
{
    return std::make_shared<SessionGate>(gate, std::move(doors));
}

void Session::judge_again(std::uint64_t token)
{
    impl->handle(token);
    boost::asio::post(impl->live().get_context(),
                      [doors = impl->doors, token] { doors->judge_again(token); });
}

}  // namespace cove
