//! Issue 5 with clients that are none of libtorrent's: transmission and aria2 join a private share
//! with nothing but their personal .torrent files, which name our tracker by UDP and by HTTP.
//!
//! Both end up with HTTP. aria2 knows no UDP trackers without its DHT; transmission asks by UDP first
//! and says nothing of the URL's path there (BEP 41), so it is refused and tries the next URL.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::app::Home;
use crate::common::aria2::Aria2;
use crate::common::sharing::home;
use crate::common::sharing::invite;
use crate::common::sharing::make_film;
use crate::common::sharing::run;
use crate::common::sharing::run_json;
use crate::common::sharing::share_film;
use crate::common::sharing::wait_film_copied;
use crate::common::torrents::MIB;
use crate::common::torrents::payload;
use crate::common::torrents::sha256;
use crate::common::torrents::wait_copied;
use crate::common::transmission::Transmission;
use crate::common::wait_for;

/// The friends' machines: the engine tells members apart by their addresses.
const ANNAS: &str = "127.0.0.2";
const BERTS: &str = "127.0.0.3";
/// Slow enough to be in the middle of it.
const SLOW_KIB: u32 = 400;

/// A friend's own .torrent of the second share.
#[track_caller]
fn invite_to_song(home: &Home, name: &str) -> PathBuf {
    let file = home.outer.path().join(format!("{name}-song.torrent"));
    let path = file.to_str().unwrap();
    run(home, &["friend", "invite", name, "song.flac", "--no-qr", "--torrent", path]);
    file
}

/// A friend in the view of the song's swarm.
fn in_song(home: &Home, name: &str) -> Option<Value> {
    let view = run_json(home, &["swarm", "song.flac"]);
    view["participants"].as_array()?.iter().find(|one| one["friend"] == name).cloned()
}

/// Waits until a friend's client has some of the song and is named in the view of its swarm.
#[track_caller]
fn assert_in_the_middle(home: &Home, name: &str, client: &str) {
    let one = wait_for(&format!("{name} is in the middle of it"), || {
        in_song(home, name).filter(|one| one["sent"].as_u64() > Some(0))
    });
    assert!(one["client"].as_str().unwrap().starts_with(client), "{one}");
    assert_eq!(one["state"], "connected", "{one}");
    let ip = if name == "Anna" { ANNAS } else { BERTS };
    assert_eq!(one["ip"], ip, "{one}");
}

fn sent_to(home: &Home, name: &str) -> Value {
    run_json(home, &["friend", "show", name])["account"]["sent"].clone()
}

#[test]
fn transmission_and_aria2_join_a_private_share() {
    let test = "transmission and aria2 in a share";
    let home = home();
    make_film(&home, 4 * MIB);
    let app = home.start();
    share_film(&home);
    let (annas, berts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["Anna", "Bert"] {
        let (invitation, _) = invite(&home, name, &[]);
        let urls = invitation["announce_urls"][0].as_array().unwrap();
        let is = |at: usize, scheme: &str| urls[at].as_str().unwrap().starts_with(scheme);
        assert!(is(0, "udp://") && is(1, "http://") && urls.len() == 2, "{urls:?}");
    }
    let torrent = |name: &str| home.outer.path().join(format!("{name}.torrent"));
    let (of_anna, of_bert) = (torrent("Anna"), torrent("Bert"));
    let first = Transmission::download(test, (&of_anna, annas.path()), (ANNAS, 0));
    let Some(first) = first else { return };
    let aria2 = Aria2::download(test, (&of_bert, berts.path()), (BERTS, 0));
    let Some(mut aria2) = aria2 else { return };
    aria2.wait_complete();
    wait_film_copied(&home.downloads, berts.path());
    wait_copied(&home.downloads.join("film/film.mkv"), &annas.path().join("film/film.mkv"));
    wait_film_copied(&home.downloads, annas.path());
    drop(first);

    // A second share, slowly, so that both are in the middle of it.
    let song = home.downloads.join("song.flac");
    fs::write(&song, payload(9, 8 * MIB)).unwrap();
    run(&home, &["share", song.to_str().unwrap()]);
    let (of_anna, of_bert) = (invite_to_song(&home, "Anna"), invite_to_song(&home, "Bert"));
    let _anna = Transmission::download(test, (&of_anna, annas.path()), (ANNAS, SLOW_KIB)).unwrap();
    assert_in_the_middle(&home, "Anna", "Transmission");
    let _bert = Aria2::download(test, (&of_bert, berts.path()), (BERTS, SLOW_KIB)).unwrap();
    assert_in_the_middle(&home, "Bert", "aria2");
    assert!(in_song(&home, "Anna").is_some(), "both are there at once");

    run(&home, &["friend", "revoke", "Bert"]);
    wait_for("Bert is out", || in_song(&home, "Bert").is_none().then_some(()));
    let had = sent_to(&home, "Bert");
    wait_copied(&song, &annas.path().join("song.flac"));
    assert_eq!(in_song(&home, "Bert"), None);
    assert_eq!(sent_to(&home, "Bert"), had, "not a byte more");
    assert_ne!(sha256(&berts.path().join("song.flac")), sha256(&song), "it was cut off");
    for name in ["Anna", "Bert"] {
        let account = &run_json(&home, &["friend", "show", name])["account"];
        assert_eq!(account["is_marked"], false, "{account}");
    }
    app.stop();
}
