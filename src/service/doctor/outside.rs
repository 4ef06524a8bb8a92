//! The way in from outside, as far as it can be told from inside: what routers said, who came,
//! and whether our own address outside leads back to us.

use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use crate::domain::peer::Peer;
use crate::domain::swarm::SwarmPeer;
use crate::engine::Engine;
use crate::engine::Outside;
use crate::service::doctor::Finding;
use crate::service::doctor::Plan;
use crate::service::doctor::ports::udp_answers;
use crate::service::fetch_guard::is_public;
use crate::service::members::swarms_of;
use crate::service::torrents::Torrents;
use crate::tracker::External;
use crate::tracker::Tracker;

/// Torrents whose connections are looked at.
const TORRENTS_MAX: usize = 8;
/// Swarms whose peers are looked at.
const SWARMS_MAX: usize = 64;
/// How long our own address outside may take to lead back to us.
const WAY_ROUND_LIMIT: Duration = Duration::from_secs(1);
/// libtorrent's statistic: somebody has connected to us.
const HAS_INCOMING: &str = "net.has_incoming_connections";

/// Who has connected to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Somebody who is outside, now.
    FromOutside,
    /// Somebody, at some time.
    FromSomewhere,
    /// Nobody since the start.
    Nobody,
}

/// Looks at some connections, and at what libtorrent counted.
pub(super) async fn incoming(engine: &Engine, torrents: &Torrents) -> Incoming {
    let list = torrents.list();
    let busy = list.iter().filter(|torrent| torrent.status.connected_peers > 0);
    for torrent in busy.take(TORRENTS_MAX) {
        let Ok(peers) = torrents.peers(torrent.id).await else { continue };
        let is_from_outside =
            |peer: &Peer| !peer.state.is_outgoing && is_public(peer.address.ip().to_canonical());
        if peers.iter().any(is_from_outside) {
            return Incoming::FromOutside;
        }
    }
    let counted = engine.stats().await.map_or(0, |stats| stats.sum(HAS_INCOMING));
    if counted > 0 { Incoming::FromSomewhere } else { Incoming::Nobody }
}

/// Whether peers outside can come to us.
pub(super) fn peers(plan: &Plan, outside: &Outside, incoming: Incoming) -> Finding {
    const NAME: &str = "peers-from-outside";
    let is_closed = |address: &SocketAddr| address.ip().is_loopback();
    if plan.peers.iter().all(is_closed) {
        return Finding::warning(NAME, "peers are listened for on this machine alone, or nowhere")
            .mend("name an address that others reach in `client.listen`, such as 0.0.0.0:46881");
    }
    if incoming == Incoming::FromOutside {
        return Finding::fine(NAME, "somebody outside is connected who came to us");
    }
    if let Some(mapping) = outside.mappings.iter().find(|mapping| mapping.protocol == "tcp") {
        let (port, via) = (mapping.port, &mapping.via);
        let sentence = format!("the router forwards its port {port} to us, as asked by {via}");
        return Finding::fine(NAME, sentence);
    }
    let forward = "forward the client's port, TCP and UDP, to this machine in the router";
    if incoming == Incoming::FromSomewhere {
        let sentence = "somebody has connected to us, perhaps from inside the house only";
        return Finding::unknown(NAME, sentence).mend(format!("if nobody outside does, {forward}"));
    }
    match outside.mapping_failures.last() {
        Some(why) if plan.asks_routers => {
            let sentence = format!("the router did not forward a port ({why}), and nobody came");
            Finding::warning(NAME, sentence).mend(forward)
        }
        _ if plan.asks_routers => {
            Finding::unknown(NAME, "no router answered the wish for a port, and nobody came yet")
                .mend(format!("if there is a router, {forward}"))
        }
        _ => Finding::unknown(NAME, "no router was asked for a port, and nobody came yet")
            .mend(format!("if there is a router, {forward}, or set client.upnp=true")),
    }
}

/// Whether somebody outside has announced to our own tracker; it forgets those that fell silent.
pub(super) fn announced_from_outside(tracker: &Tracker, torrents: &Torrents) -> bool {
    let list = torrents.list();
    let swarms = list.iter().flat_map(|torrent| swarms_of(&torrent.hashes));
    swarms.take(SWARMS_MAX).any(|hash| {
        let is_from_outside =
            |peer: &SwarmPeer| !peer.is_own && is_public(peer.address.ip().to_canonical());
        tracker.peers(&hash).iter().any(is_from_outside)
    })
}

/// Whether the tracker is reached from outside. Asks the router's address for us. Blocks.
pub(super) fn tracker(plan: &Plan, external: External, has_announced: bool) -> Finding {
    const NAME: &str = "tracker-from-outside";
    let mut listeners = plan.tracker_udp.iter().chain(&plan.tracker_http).peekable();
    if listeners.peek().is_none() {
        return Finding::fine(NAME, "the tracker is switched off");
    }
    if listeners.all(|address| address.ip().is_loopback()) {
        return Finding::warning(NAME, "the tracker listens on this machine alone").mend(
            "name an address that others reach in `tracker.udp.bind` and `tracker.http.bind`",
        );
    }
    if has_announced {
        return Finding::fine(NAME, "somebody outside has announced to it");
    }
    let ports: HashSet<u16> =
        plan.tracker_udp.iter().chain(&plan.tracker_http).map(SocketAddr::port).collect();
    let mut ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.sort();
    let forward = format!(
        "forward port {} (TCP and UDP) to this machine in the router, and ask a friend outside",
        ports.join(" and ")
    );
    let Some(ip) = external.v4.map(IpAddr::V4).or(external.v6.map(IpAddr::V6)) else {
        let sentence = "our address outside is not known, and nobody outside has announced yet";
        return Finding::unknown(NAME, sentence).mend(forward);
    };
    match way_round(plan, ip) {
        true => Finding::fine(NAME, format!("it answers at our address outside, {ip}")),
        false => {
            let sentence = format!(
                "it does not answer at our address outside, {ip}, when asked from inside; many \
                 routers let nobody inside go that way"
            );
            Finding::unknown(NAME, sentence).mend(forward)
        }
    }
}

fn way_round(plan: &Plan, ip: IpAddr) -> bool {
    let fits =
        |address: &&SocketAddr| !address.ip().is_loopback() && address.is_ipv4() == ip.is_ipv4();
    let at = |address: &SocketAddr| SocketAddr::from((ip, address.port()));
    let udp = plan.tracker_udp.iter().find(fits).map(at);
    let http = plan.tracker_http.iter().find(fits).map(at);
    udp.is_some_and(|at| udp_answers(at).is_ok())
        || http.is_some_and(|at| TcpStream::connect_timeout(&at, WAY_ROUND_LIMIT).is_ok())
}

/// Under which address the world knows us.
pub(super) fn address(external: External) -> Finding {
    const NAME: &str = "external-address";
    let known: Vec<IpAddr> =
        external.v4.map(IpAddr::V4).into_iter().chain(external.v6.map(IpAddr::V6)).collect();
    let shown: Vec<String> = known.iter().map(IpAddr::to_string).collect();
    let shown = shown.join(" and ");
    match known.iter().all(|ip| is_public(*ip)) {
        _ if known.is_empty() => Finding::unknown(NAME, "not known yet: nobody has told us").mend(
            "wait until peers or trackers outside have been met, or set `tracker.external_ip`",
        ),
        true => Finding::fine(NAME, format!("others see us as {shown}")),
        false => Finding::warning(NAME, format!("{shown} is no address that the world can reach"))
            .mend("ask the provider for a public address, or use IPv6 or a tunnel"),
    }
}

/// While no server runs nobody can be reached.
pub(super) fn nobody_there() -> Finding {
    Finding::unknown("from-outside", "no server runs, so nobody can reach it")
        .mend("start it with `cove serve`, then ask again")
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::engine::PortMapping;
    use crate::service::doctor::Verdict;

    fn plan(peers: &[&str], tracker: &[&str]) -> Plan {
        let parse = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        Plan {
            state_dir: "/".into(),
            database: "/".into(),
            roots: Vec::new(),
            download_dir: "/".into(),
            api: Vec::new(),
            tracker_http: Vec::new(),
            tracker_udp: parse(tracker),
            peers: parse(peers),
            asks_routers: true,
            descriptors: 0,
        }
    }

    #[test]
    fn what_routers_and_peers_say_is_weighed() {
        let open = plan(&["0.0.0.0:46881"], &[]);
        let judged = |outside: &Outside, incoming| peers(&open, outside, incoming).verdict;
        let (none, mut mapped, mut refused) =
            (Outside::default(), Outside::default(), Outside::default());
        let (via, protocol) = ("upnp".into(), "tcp".into());
        mapped.mappings.push(PortMapping { port: 7, via, protocol });
        refused.mapping_failures.push("no".into());
        assert_eq!(judged(&none, Incoming::FromOutside), Verdict::Fine);
        assert_eq!(judged(&none, Incoming::FromSomewhere), Verdict::Unknown);
        assert_eq!(judged(&none, Incoming::Nobody), Verdict::Unknown);
        assert_eq!(judged(&mapped, Incoming::Nobody), Verdict::Fine);
        assert_eq!(judged(&refused, Incoming::Nobody), Verdict::Warning);
        let closed = plan(&["127.0.0.1:46881"], &[]);
        assert_eq!(peers(&closed, &mapped, Incoming::Nobody).verdict, Verdict::Warning);
    }

    #[test]
    fn the_tracker_is_reached_when_somebody_came_or_the_way_round_is_open() {
        let external = |ip: [u8; 4]| External { v4: Some(ip.into()), v6: None };
        let judged = |binds: &[&str], external, has_announced| {
            tracker(&plan(&[], binds), external, has_announced).verdict
        };
        let nobody = External::default();
        assert_eq!(judged(&[], nobody, false), Verdict::Fine, "switched off");
        assert_eq!(judged(&["127.0.0.1:9"], nobody, true), Verdict::Warning);
        assert_eq!(judged(&["0.0.0.0:9"], nobody, true), Verdict::Fine);
        assert_eq!(judged(&["0.0.0.0:9"], nobody, false), Verdict::Unknown);
        // Loopback stands for the address outside: whatever answers there proves the way.
        let answering = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = answering.local_addr().unwrap();
        let answer = std::thread::spawn(move || {
            let mut bytes = [0; 16];
            let (_, from) = answering.recv_from(&mut bytes).unwrap();
            let transaction: [u8; 4] = bytes[12..].try_into().unwrap();
            let reply = [&[0; 4][..], &transaction, &[1; 8]].concat();
            answering.send_to(&reply, from).unwrap();
        });
        let bind = format!("0.0.0.0:{}", at.port());
        assert_eq!(judged(&[&bind], external([127, 0, 0, 1]), false), Verdict::Fine);
        answer.join().unwrap();
        assert_eq!(judged(&[&bind], external([127, 0, 0, 1]), false), Verdict::Unknown);
    }

    #[test]
    fn an_address_behind_the_providers_router_is_told() {
        let of = |ip: [u8; 4]| address(External { v4: Some(ip.into()), v6: None }).verdict;
        assert_eq!(of([8, 8, 8, 8]), Verdict::Fine);
        assert_eq!(of([100, 64, 0, 1]), Verdict::Warning);
        assert_eq!(address(External::default()).verdict, Verdict::Unknown);
    }
}
