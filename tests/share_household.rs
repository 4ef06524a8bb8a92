//! Issue 5, "must hold": a NAS, a friend in the LAN and one behind another household's router.

use std::fs;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::common::app::Home;
use crate::common::netns;
use crate::common::netns::Network;
use crate::common::observer::Observer;
use crate::common::peer::Peer;
use crate::common::qbittorrent::QBittorrent;
use crate::common::sharing::invite;
use crate::common::sharing::key_of;
use crate::common::sharing::make_film;
use crate::common::sharing::run;
use crate::common::sharing::run_json;
use crate::common::sharing::wait_film_copied;
use crate::common::torrents::MIB;
use crate::common::torrents::payload;
use crate::common::torrents::wait_copied;
use crate::common::wait_for;

/// How long a friend that is shut out may stay connected.
const OUT_WITHIN: Duration = Duration::from_secs(2);
/// The ports in the namespaces, where every port is free.
const TRACKER_PORT: u16 = 6969;
const PEER_PORT: u16 = 46881;
/// Slow enough to be in the middle of it.
const SLOW_KIB: u32 = 400;

/// The program on the house's machine, reachable on both legs.
fn house(network: &Network) -> Home {
    let legs = ["127.0.0.1", netns::HOUSE_LAN, netns::HOUSE_OUTSIDE];
    let bind = legs.map(|ip| format!("{ip}:{TRACKER_PORT}")).join(",");
    Home::new()
        .set("client.listen", format!("0.0.0.0:{PEER_PORT}"))
        .set("tracker.udp.bind", &bind)
        .set("tracker.http.bind", &bind)
        .set("tracker.external_ip", netns::HOUSE_OUTSIDE)
        .launched_by(network.launcher("house"))
}

/// A friend's own .torrent of the second share.
#[track_caller]
fn invite_to_song(home: &Home, name: &str) -> (Value, std::path::PathBuf) {
    let file = home.outer.path().join(format!("{name}-song.torrent"));
    let path = file.to_str().unwrap();
    let invitation =
        run_json(home, &["friend", "invite", name, "song.flac", "--no-qr", "--torrent", path]);
    (invitation, file)
}

fn of_friend(view: &Value, name: &str) -> Option<Value> {
    view["participants"].as_array()?.iter().find(|one| one["friend"] == name).cloned()
}

/// Waits until a friend has announced that all of a share is there.
#[track_caller]
fn wait_until_complete(home: &Home, share: &str, name: &str) {
    wait_for(&format!("{name} has all of {share}"), || {
        let view = run_json(home, &["swarm", share]);
        let friend = view["friends"].as_array()?.iter().find(|one| one["name"] == name)?;
        (friend["is_complete"] == true).then_some(())
    });
}

/// The view of the song's swarm says who is where, with what.
#[track_caller]
fn assert_names_both(home: &Home) {
    let view = wait_for("both are in the middle of it", || {
        let view = run_json(home, &["swarm", "song.flac"]);
        let goes_on =
            |name: &str| of_friend(&view, name).is_some_and(|one| one["sent"].as_u64() > Some(0));
        (goes_on("Anna") && goes_on("Bert")).then_some(view)
    });
    let (anna, bert) = (of_friend(&view, "Anna").unwrap(), of_friend(&view, "Bert").unwrap());
    assert_eq!((&anna["ip"], &anna["inside"]), (&json!(netns::LAN), &json!(true)), "{anna}");
    assert_eq!((&bert["ip"], &bert["inside"]), (&json!(netns::OUTSIDE), &json!(false)), "{bert}");
    for one in [&anna, &bert] {
        assert_eq!((&one["state"], &one["family"]), (&json!("connected"), &json!("ipv4")));
    }
    assert!(anna["client"].as_str().unwrap().starts_with("qBittorrent"), "{anna}");
    assert_eq!(view["can_stop"], false, "nobody else has all of it: {view}");
    let shown = run(home, &["swarm", "song.flac"]);
    for wanted in ["Anna", "Bert", "LAN", "outside", "can you stop? no"] {
        assert!(shown.contains(wanted), "no {wanted} in {shown}");
    }
}

/// Both have it, the view of the swarm names both; the one who is revoked is out, and the other goes
/// on.
#[test]
fn a_friend_in_the_house_and_one_behind_another_router() {
    let test = "a share in a household";
    let Some(network) = Network::with_router(test) else { return };
    let settings = json!({ "listen_interfaces": "0.0.0.0:6881", "alert_mask": 0x23 });
    let Some(mut bert) = Peer::launched_by(test, network.launcher("behind"), settings) else {
        return;
    };
    let Some(mut packet) = Observer::launched_by(test, network.launcher("behind")) else { return };
    let home = house(&network);
    make_film(&home, 4 * MIB);
    let app = home.start();
    let film = home.downloads.join("film");
    run(&home, &["share", film.to_str().unwrap()]);
    invite(&home, "Anna", &[]);
    let (_, berts) = invite(&home, "Bert", &[]);
    let (lan, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let annas = home.outer.path().join("Anna.torrent");
    let in_lan = network.launcher("lan");
    let start = |torrent: &std::path::Path, port, limit| {
        QBittorrent::download_in(test, &in_lan, (torrent, lan.path()), (port, limit))
    };
    let Some(first) = start(&annas, 6881, 0) else { return };
    bert.add("film", &berts, outside.path(), 0);
    bert.wait_seeding("film");
    wait_film_copied(&home.downloads, outside.path());
    // qBittorrent tells nobody but the tracker that it is done.
    wait_until_complete(&home, "film", "Anna");
    wait_film_copied(&home.downloads, lan.path());
    drop(first);

    // A second one, slowly, so that both are in the middle of it.
    fs::write(home.downloads.join("song.flac"), payload(8, 6 * MIB)).unwrap();
    let song = run_json(&home, &["share", home.downloads.join("song.flac").to_str().unwrap()]);
    let hash = song["info_hash"].as_str().unwrap();
    let (invitation, berts) = invite_to_song(&home, "Bert");
    let (_, annas) = invite_to_song(&home, "Anna");
    let Some(_second) = start(&annas, 6882, SLOW_KIB) else { return };
    bert.add_slowly("song", &fs::read(berts).unwrap(), outside.path(), u64::from(SLOW_KIB) << 10);
    assert_names_both(&home);

    // The next packet is ready before the friend is shut out.
    packet.ask("tracker", json!({ "ip": netns::HOUSE_OUTSIDE, "port": TRACKER_PORT }));
    let one_packet = json!({
        "hash": hash, "key": key_of(&invitation), "port": 7777, "peer_id": "-XX0001-packetpacket",
    });
    assert_ne!(packet.ask("announce", one_packet.clone())["peers"], Value::Null);
    bert.ask("forget_alerts", json!({}));
    run(&home, &["friend", "revoke", "Bert"]);
    let revoked = Instant::now();
    bert.ask("wait_alone", json!({ "id": "song", "limit_s": OUT_WITHIN.as_secs() }));
    assert!(revoked.elapsed() < OUT_WITHIN, "out after {:?}", revoked.elapsed());
    assert_eq!(packet.ask("announce", one_packet)["refused"], "Invalid key");
    let had = bert.status("song")["progress"].clone();
    assert!(had.as_f64() < Some(1.0), "it was in the middle of it: {had}");
    let view = run_json(&home, &["swarm", "song.flac"]);
    assert_eq!(of_friend(&view, "Bert"), None, "{view}");

    wait_until_complete(&home, "song.flac", "Anna");
    wait_copied(&home.downloads.join("song.flac"), &lan.path().join("song.flac"));
    assert_eq!(bert.status("song")["progress"], had, "not a byte more");
    for name in ["Anna", "Bert"] {
        assert_eq!(run_json(&home, &["friend", "show", name])["account"]["is_marked"], false);
    }
    app.stop();
}
