//! Our own client and our own tracker in one process: no announce is waited for.

use std::time::Duration;

use crate::common::announcer::Announcer;
use crate::common::announcer::PID1;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::leech;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::aria2::free_port;
use crate::common::peer::Peer;
use crate::common::torrents::MIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;
use crate::common::wait_at_most;
use crate::common::wait_for;

/// The tracker in its default mode, on a port that is known before it starts.
fn home(port: u16) -> Home {
    Home::new()
        .set("tracker.udp.bind", format!("127.0.0.1:{port}"))
        .set("tracker.http.bind", format!("127.0.0.1:{port}"))
}

/// A torrent that reports to our own tracker, with its payload in the download directory.
fn own_torrent(home: &Home, port: u16) -> Torrent {
    let content = payload(77, 2 * MIB);
    std::fs::write(home.downloads.join("film.mkv"), &content).unwrap();
    let announce = format!("http://127.0.0.1:{port}/announce");
    Recipe::named("film.mkv").private().announce(&announce).single(&content)
}

/// The torrent's swarm as a stranger of our own choosing is told of it.
fn announce(app: &App<'_>, torrent: &Torrent, event: u32) -> Result<Vec<u16>, String> {
    let mut info_hash = [0; 20];
    for (byte, pair) in info_hash.iter_mut().zip(torrent.hash.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    }
    let asker = Announcer::new(app.tracker_udp[0]);
    let told = asker.try_announce(&UdpAnnounce { info_hash, event, ..leech(9, PID1) })?;
    Ok(told.peers.iter().map(std::net::SocketAddr::port).collect())
}

#[test]
fn our_own_torrents_are_listed_and_there_as_long_as_they_run() {
    let port = free_port();
    let home = home(port);
    let app = home.start();
    let torrent = own_torrent(&home, port);
    assert_eq!(announce(&app, &torrent, 2), Err("Torrent not authorized".into()));

    let hash = app.api.add(&torrent.file);
    let told = wait_for("our own client is a member", || announce(&app, &torrent, 2).ok());
    assert_eq!(told, [app.peer_port]);
    wait_for("it counts as a seeder", || {
        let path = format!("/api/v1/torrents?info_hash={}", torrent.hash);
        let rows = app.torrust("GET", &path).json();
        (rows[0]["seeders"] == 1).then_some(())
    });

    app.api.patch(&hash, &serde_json::json!({ "state": "stop" }));
    wait_for("it left", || announce(&app, &torrent, 2).is_err().then_some(()));
    app.api.patch(&hash, &serde_json::json!({ "state": "resume" }));
    wait_for("it is back", || announce(&app, &torrent, 2).ok());
    app.api.remove(&hash, false);
    wait_for("it is gone", || announce(&app, &torrent, 2).is_err().then_some(()));
}

/// The engine is told of a newcomer at once: the leecher listens, and never dials.
#[test]
fn a_fresh_leecher_is_served_within_a_second() {
    let test = "a fresh leecher";
    let Some(mut leecher) = Peer::start(test) else { return };
    let port = free_port();
    let home = home(port);
    let app = home.start();
    let torrent = own_torrent(&home, port);
    let hash = app.api.add(&torrent.file);
    app.api.wait_seeding(&hash);
    wait_for("our own client is a member", || announce(&app, &torrent, 3).ok());
    let there = tempfile::tempdir().unwrap();

    leecher.add("film", &torrent.file, there.path(), 0);
    wait_for("the leecher announced", || {
        let path = format!("/api/v1/torrents?info_hash={}", torrent.hash);
        (app.torrust("GET", &path).json()[0]["leechers"] != 0
            || leecher.status("film")["progress"] == 1.0)
            .then_some(())
    });
    let limit = Duration::from_secs(10);
    wait_at_most(limit, "it is complete", || {
        (leecher.status("film")["progress"] == 1.0).then_some(())
    });
}

/// Who was there before our own client has been told of nobody, and asks again in half an hour.
#[test]
fn a_leecher_that_came_first_is_served_when_the_torrent_runs() {
    let test = "a leecher that came first";
    let Some(mut leecher) = Peer::start(test) else { return };
    let port = free_port();
    let home = home(port).set("tracker.mode", "public");
    let app = home.start();
    let torrent = own_torrent(&home, port);
    let there = tempfile::tempdir().unwrap();
    leecher.add("film", &torrent.file, there.path(), 0);
    wait_for("the leecher announced", || {
        let path = format!("/api/v1/torrents?info_hash={}", torrent.hash);
        (app.torrust("GET", &path).json()[0]["leechers"] == 1).then_some(())
    });

    app.api.add(&torrent.file);
    wait_for("it is complete", || (leecher.status("film")["progress"] == 1.0).then_some(()));
}

#[test]
fn the_membership_can_be_switched_off() {
    let port = free_port();
    let home = home(port).set("tracker.own_client", false).set("tracker.mode", "public");
    let app = home.start();
    let torrent = own_torrent(&home, port);
    let hash = app.api.add(&torrent.file);
    app.api.wait_seeding(&hash);
    // It comes as everybody does: by an announce of its own.
    wait_for("our client announced", || {
        announce(&app, &torrent, 2).ok().filter(|told| *told == [app.peer_port])
    });
}
