//! Issue 5, "must hold": a private share never appears on DHT, LSD or PEX, checked on the wire of a
//! network that leads nowhere; a public one does, so the check can fail.

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::common::app::Home;
use crate::common::netns;
use crate::common::netns::Network;
use crate::common::observer::Observer;
use crate::common::peer::Peer;
use crate::common::sharing::invite;
use crate::common::sharing::key_of;
use crate::common::sharing::make_film;
use crate::common::sharing::run_json;
use crate::common::torrents::MIB;
use crate::common::torrents::payload;
use crate::common::wait_for;

const TRACKER_PORT: u16 = 6969;
const PEER_PORT: u16 = 46881;
/// Where the only other node of the DHT listens.
const NODE_PORT: u16 = 6881;

/// The program on the house's machine, with all that would tell others of a torrent. It reaches
/// nothing but the machine in the LAN.
fn house(network: &Network) -> Home {
    Home::new()
        .set("client.listen", format!("{}:{PEER_PORT}", netns::HOUSE_LAN))
        .set("tracker.udp.bind", format!("{}:{TRACKER_PORT}", netns::HOUSE_LAN))
        .set("client.dht", true)
        .set("client.lsd", true)
        .set("client.pex", true)
        .set("client.settings.dht_bootstrap_nodes", format!("{}:{NODE_PORT}", netns::LAN))
        .set("client.settings.dht_announce_interval", 5)
        .set("client.settings.local_service_announce_interval", 5)
        .launched_by(network.launcher("house"))
}

#[test]
fn a_private_share_is_on_no_wire_but_the_trackers() {
    let test = "a private share on the wire";
    let Some(network) = Network::new(test) else { return };
    let node = json!({
        "listen_interfaces": format!("{}:{NODE_PORT}", netns::LAN),
        "enable_dht": true,
        "dht_bootstrap_nodes": "",
    });
    let Some(_node) = Peer::launched_by(test, network.launcher("lan"), node) else { return };
    let Some(mut wire) = Observer::launched_by(test, network.launcher("lan")) else { return };
    wire.ask("capture", json!({ "device": "up0" }));
    let home = house(&network);
    make_film(&home, MIB);
    fs::write(home.downloads.join("song.flac"), payload(7, MIB)).unwrap();
    let app = home.start();

    // The private one first: whatever tells of the later one has had its chance to tell of it.
    let film = home.downloads.join("film");
    let film = run_json(&home, &["share", film.to_str().unwrap()]);
    wire.ask("watch", json!({ "name": "private", "hash": film["info_hash"] }));
    let song = home.downloads.join("song.flac");
    let song = run_json(&home, &["share", song.to_str().unwrap(), "--public"]);
    wire.ask("watch", json!({ "name": "public", "hash": song["info_hash"] }));
    for kind in ["dht", "lsd"] {
        wait_for("the public share is told of twice", || {
            (wire.count("public", kind) >= 2).then_some(())
        });
    }
    let counts = wire.ask("counts", json!({ "name": "private" }));
    assert_eq!(counts["counts"], json!({}), "the private one is told of by nothing");

    // PEX: a member is told that it is not spoken.
    let (invitation, _) = invite(&home, "Anna", &[]);
    wire.ask("tracker", json!({ "ip": netns::HOUSE_LAN, "port": TRACKER_PORT }));
    let id = "-XX0001-observerobse";
    let announced = wire.ask(
        "announce",
        json!({ "hash": film["info_hash"], "key": key_of(&invitation), "port": 7777, "peer_id": id }),
    );
    assert_ne!(announced["peers"], Value::Null, "{announced}");
    let mut spoken = |share: &Value| {
        let hash = &share["info_hash"];
        let ask = json!({ "ip": netns::HOUSE_LAN, "port": PEER_PORT, "hash": hash, "peer_id": id });
        wire.ask("extensions", ask)["names"].clone()
    };
    assert!(spoken(&song).as_array().unwrap().contains(&json!("ut_pex")), "the public one");
    let names = spoken(&film);
    assert!(!names.as_array().unwrap().contains(&json!("ut_pex")), "the private one: {names}");
    app.stop();
}
