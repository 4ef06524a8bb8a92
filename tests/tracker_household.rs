//! The program's own tracker as foreign clients meet it: two that can find each other by nothing
//! else, of every kind, and the addresses that a household behind one router needs.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::aria2::Aria2;
use crate::common::netns;
use crate::common::netns::Network;
use crate::common::npm_client::NpmClient;
use crate::common::npm_client::peers;
use crate::common::own_tracker::OwnTracker;
use crate::common::peer::Peer;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::torrents::wait_copied;
use crate::common::wait_for;

/// The seeder's files and the leecher's.
struct Payload {
    torrent: Torrent,
    here: TempDir,
    there: TempDir,
}

impl Payload {
    /// Private, so that clients use no other way to each other than `announce`.
    fn announced_to(announce: &str, seed: u64) -> Self {
        let content = payload(seed, 2 * MIB);
        let torrent = Recipe::named("film.mkv").private().announce(announce).single(&content);
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(here.path().join("film.mkv"), content).unwrap();
        Self { torrent, here, there }
    }

    #[track_caller]
    fn wait_arrived_in(&self, folder: &Path) {
        wait_copied(&self.here.path().join("film.mkv"), &folder.join("film.mkv"));
    }
}

/// Two libtorrent sessions on a tracker in `mode` finish over `scheme`.
fn two_sessions_meet(mode: &str, scheme: &str, seed: u64) {
    let test = format!("two libtorrents, {mode} over {scheme}");
    let (Some(mut seeder), Some(mut leecher)) = (Peer::start(&test), Peer::start(&test)) else {
        return;
    };
    let tracker = OwnTracker::new(mode);
    let app = tracker.home.start();
    let payload = Payload::announced_to(&way_in(&app, &tracker, mode, scheme), seed);
    if mode.ends_with("listed") {
        app.whitelist(&payload.torrent.hash);
    }

    seeder.seed(&payload.torrent, payload.here.path(), 0);
    leecher.add("film", &payload.torrent.file, payload.there.path(), 0);

    leecher.wait_seeding("film");
    payload.wait_arrived_in(payload.there.path());
    app.stop();
}

/// The URL for somebody who may announce.
#[track_caller]
fn way_in(app: &App<'_>, tracker: &OwnTracker, mode: &str, scheme: &str) -> String {
    match mode.starts_with("private") {
        true => format!("{}/{}", tracker.url(scheme), app.make_key(3600)),
        false => tracker.url(scheme),
    }
}

#[test]
fn two_libtorrents_meet_over_udp() {
    two_sessions_meet("public", "udp", 501);
}

#[test]
fn two_libtorrents_meet_over_http() {
    two_sessions_meet("public", "http", 502);
}

#[test]
fn two_libtorrents_meet_over_udp_with_a_key() {
    two_sessions_meet("private", "udp", 503);
}

#[test]
fn two_libtorrents_meet_over_http_with_a_key() {
    two_sessions_meet("private", "http", 504);
}

#[test]
fn two_libtorrents_meet_over_udp_on_a_listed_torrent() {
    two_sessions_meet("listed", "udp", 505);
}

#[test]
fn two_libtorrents_meet_over_http_on_a_listed_torrent_with_a_key() {
    two_sessions_meet("private_listed", "http", 506);
}

/// What a libtorrent session is told when it comes without the key.
fn refused_without_a_key(scheme: &str, seed: u64) {
    let test = format!("no key over {scheme}");
    let (Some(mut seeder), Some(mut leecher)) = (Peer::start(&test), Peer::start(&test)) else {
        return;
    };
    let tracker = OwnTracker::new("private");
    let app = tracker.home.start();
    let with_key = Payload::announced_to(&way_in(&app, &tracker, "private", scheme), seed);
    let without = Payload::announced_to(&tracker.url(scheme), seed);
    assert_eq!(with_key.torrent.hash, without.torrent.hash, "the same swarm");
    seeder.seed(&with_key.torrent, with_key.here.path(), 0);

    leecher.add("film", &without.torrent.file, without.there.path(), 0);

    wait_for("the tracker refuses", || {
        assert_eq!(leecher.status("film")["peers"], 0, "a stranger is among us");
        let told = leecher.ask("refused", json!({ "id": "film" }));
        (told["refused"] == true).then_some(())
    });
    let status = leecher.status("film");
    assert_eq!((&status["peers"], &status["down"]), (&json!(0), &json!(0)), "{status}");
}

#[test]
fn a_libtorrent_without_the_key_is_refused_over_udp() {
    refused_without_a_key("udp", 507);
}

#[test]
fn a_libtorrent_without_the_key_is_refused_over_http() {
    refused_without_a_key("http", 508);
}

/// npm's client announces a seeder, then a leecher, and the leecher is told of the seeder. It
/// scrapes no URL with a key in it.
fn npm_sees_the_other(mode: &str, scheme: &str) {
    let Some(announcer) = NpmClient::find(&format!("npm's client, {mode} over {scheme}")) else {
        return;
    };
    let tracker = OwnTracker::new(mode);
    let app = tracker.home.start();
    let (url, hash) = (way_in(&app, &tracker, mode, scheme), "c0".repeat(20));

    let seeder = announcer.announce(&url, &hash, 7001, 0);
    let leecher = announcer.announce(&url, &hash, 7002, 1);

    assert_eq!(peers(&seeder), [] as [&str; 0], "nobody is told of itself");
    assert_eq!(peers(&leecher), ["127.0.0.1:7001"]);
    assert_eq!((&leecher["complete"], &leecher["incomplete"]), (&json!(1), &json!(1)));
    if mode == "public" {
        let scrape = json!({ "complete": 1, "incomplete": 1, "downloaded": 0 });
        assert_eq!(leecher["scrape"], scrape, "{leecher}");
    }
    app.stop();
}

#[test]
fn npms_client_sees_the_other_over_udp() {
    npm_sees_the_other("public", "udp");
}

#[test]
fn npms_client_sees_the_other_over_http() {
    npm_sees_the_other("public", "http");
}

/// Over UDP it sends no path, so it cannot show a key there.
#[test]
fn npms_client_sees_the_other_over_http_with_a_key() {
    npm_sees_the_other("private", "http");
}

#[test]
fn aria2_finds_a_seeder_over_http() {
    let test = "aria2 over http";
    let Some(mut seeder) = Peer::start(test) else { return };
    let tracker = OwnTracker::new("public");
    let app = tracker.home.start();
    let payload = Payload::announced_to(&tracker.url("http"), 509);
    seeder.seed(&payload.torrent, payload.here.path(), 0);

    let there = payload.there.path();
    let Some(mut aria2) = Aria2::start(test, &payload.torrent, there, false) else { return };

    aria2.wait_complete();
    payload.wait_arrived_in(there);
    app.stop();
}

/// On a machine in the LAN, with the seeder beside the tracker.
#[test]
fn aria2_finds_a_seeder_over_udp() {
    let test = "aria2 over udp";
    let Some(network) = Network::new(test) else { return };
    let Some(mut seeder) = session_in(test, &network, "house") else { return };
    let home = house(&network);
    let app = home.start();
    let source = Payload::announced_to(&announce_at("udp", "127.0.0.1"), 510);
    seeder.seed(&source.torrent, source.here.path(), 0);

    let copy = Payload::announced_to(&announce_at("udp", netns::HOUSE_LAN), 510);
    let there = copy.there.path();
    let aria2 = Aria2::download_in(test, &network.launcher("lan"), &copy.torrent, there);

    let Some(mut aria2) = aria2 else { return };
    aria2.wait_complete();
    source.wait_arrived_in(there);
    app.stop();
}

/// The tracker's port in the namespaces, where every port is free.
const PORT: u16 = 6969;
/// Where clients there listen.
const CLIENT_PORT: u16 = 6881;

/// The program on the house's machine, its tracker on every leg.
fn house(network: &Network) -> Home {
    let legs = ["127.0.0.1", netns::HOUSE_LAN, netns::HOUSE_OUTSIDE];
    let bind = legs.map(|ip| format!("{ip}:{PORT}")).join(",");
    Home::new()
        .set("tracker.mode", "public")
        .set("tracker.udp.bind", &bind)
        .set("tracker.http.bind", &bind)
        .set("tracker.external_ip", netns::HOUSE_OUTSIDE)
        .launched_by(network.launcher("house"))
}

/// A libtorrent session in a place of the network.
fn session_in(test: &str, network: &Network, place: &str) -> Option<Peer> {
    let settings = json!({ "listen_interfaces": format!("0.0.0.0:{CLIENT_PORT}") });
    Peer::launched_by(test, network.launcher(place), settings)
}

/// The tracker's URL by one of its addresses.
fn announce_at(scheme: &str, ip: &str) -> String {
    format!("{scheme}://{ip}:{PORT}/announce")
}

/// Each place with the address at which it reaches the tracker.
const PLACES: [(&str, &str); 3] =
    [("house", "127.0.0.1"), ("lan", netns::HOUSE_LAN), ("outside", netns::HOUSE_OUTSIDE)];

/// Everybody in one swarm, and what each is told of the others.
fn addresses_over(scheme: &str) {
    let test = format!("addresses in a household over {scheme}");
    let Some(announcer) = NpmClient::find(&test) else { return };
    let Some(network) = Network::new(&test) else { return };
    let home = house(&network);
    let app = home.start();
    let hash = "ad".repeat(20);
    let ask = |place: &str, tracker: &str, port: u16| {
        let launcher = network.launcher(place);
        announcer.announce_by(&launcher, &announce_at(scheme, tracker), &hash, port, 1)
    };
    // Everybody once, so that all are known; the machine itself also by its address in the LAN.
    for (number, (place, tracker)) in (1..).zip(PLACES) {
        ask(place, tracker, 7000 + number);
    }
    ask("house", netns::HOUSE_LAN, 7004);

    let told = PLACES.map(|(place, tracker)| peers(&ask(place, tracker, 7100)));

    let [house, lan, outside] = told;
    assert_contains(&house, &["127.0.0.1:7001", "192.168.77.2:7002", "203.0.113.2:7003"]);
    assert_contains(&lan, &["192.168.77.1:7001", "192.168.77.1:7004", "203.0.113.2:7003"]);
    assert_contains(&lan, &["192.168.77.2:7002"]);
    assert_contains(&outside, &["203.0.113.1:7001", "203.0.113.1:7004"]);
    for peer in &outside {
        assert!(peer.starts_with("203.0.113."), "an address of no use outside: {outside:?}");
    }
    assert!(lan.iter().all(|peer| !peer.starts_with("127.")), "{lan:?}");
    app.stop();
}

#[track_caller]
fn assert_contains(told: &[String], wanted: &[&str]) {
    for peer in wanted {
        assert!(told.iter().any(|one| one == peer), "no {peer} in {told:?}");
    }
}

#[test]
fn everybody_is_told_addresses_that_work_over_udp() {
    addresses_over("udp");
}

#[test]
fn everybody_is_told_addresses_that_work_over_http() {
    addresses_over("http");
}

/// The seeder runs beside the tracker; one leecher in the LAN, one outside.
#[test]
fn a_household_and_a_friend_outside_share_a_torrent() {
    let test = "a household and a friend outside";
    let Some(network) = Network::new(test) else { return };
    let Some(mut seeder) = session_in(test, &network, "house") else { return };
    let home = house(&network);
    let app = home.start();
    let source = Payload::announced_to(&announce_at("udp", "127.0.0.1"), 511);
    seeder.seed(&source.torrent, source.here.path(), 0);

    for (place, tracker) in PLACES.into_iter().skip(1) {
        let Some(mut leecher) = session_in(test, &network, place) else { return };
        let copy = Payload::announced_to(&announce_at("udp", tracker), 511);
        leecher.add("film", &copy.torrent.file, copy.there.path(), 0);
        leecher.wait_seeding("film");
        source.wait_arrived_in(copy.there.path());
    }
    app.stop();
}
