//! Commands to torrents, and what their alerts say.

use std::fs;

use super::rig::Rig;
use super::rig::again;
use super::rig::http_tracker;
use super::rig::number;
use super::rig::seeder;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::AddOptions;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::Flag;
use crate::engine::ffi::bridge::MoveMode;
use crate::engine::ffi::bridge::QueueMove;
use crate::engine::ffi::bridge::TorrentLimits;
use crate::engine::ffi::bridge::TrackerEntry;

fn magnet(rig: &Rig, digit: &str) -> cxx::UniquePtr<bridge::AddParams> {
    let link = format!("magnet:?xt=urn:btih:{}", digit.repeat(40));
    let mut params = bridge::parse_magnet(&link).unwrap();
    params.pin_mut().set_options(&rig.options()).unwrap();
    params
}

#[test]
fn an_unknown_token_is_refused_in_words() {
    let mut rig = Rig::new();
    let unknown = "the session has no such torrent";
    assert_eq!(rig.session.pin_mut().pause(42).unwrap_err().to_string(), unknown);
    assert_eq!(rig.session.peers(42).unwrap_err().to_string(), unknown);
    assert_eq!(rig.session.description(42).unwrap_err().to_string(), unknown);
    assert_eq!(rig.session.pin_mut().remove(42).unwrap_err().to_string(), unknown);
    assert_eq!(rig.session.pin_mut().connect_peer(42, "::1", 1).unwrap_err().to_string(), unknown);
}

#[test]
fn the_same_torrent_twice_is_an_alert_of_the_second_token() {
    let (mut rig, params) = seeder(true, false);
    let options = rig.options();
    rig.session.pin_mut().add(again(&params, &options), 2).unwrap();
    let failed = rig.wait_for(AlertKind::AddFailed, 2);
    assert!(failed.text.contains("already"), "{failed:?}");
    rig.session.pin_mut().pause(1).unwrap();
    assert!(rig.session.pin_mut().add(again(&params, &options), 1).is_err(), "token in use");
    assert!(rig.session.pin_mut().add(again(&params, &options), 0).is_err(), "token 0");
}

#[test]
fn removing_keeps_the_files() {
    let (mut rig, _) = seeder(true, false);
    rig.session.pin_mut().remove(1).unwrap();
    rig.wait_for(AlertKind::Removed, 1);
    assert!(rig.session.pin_mut().pause(1).is_err());
    assert!(rig.path().join("share/a.bin").exists());
}

#[test]
fn pause_and_resume_are_told_by_alert_and_status() {
    let (mut rig, _) = seeder(true, false);
    rig.session.pin_mut().pause(1).unwrap();
    rig.wait_for(AlertKind::Paused, 1);
    rig.wait_for_status(1, |status| status.is_paused);
    rig.session.pin_mut().resume(1).unwrap();
    rig.wait_for(AlertKind::Resumed, 1);
    rig.wait_for_status(1, |status| !status.is_paused);
}

#[test]
fn a_recheck_finds_what_was_damaged() {
    let (mut rig, _) = seeder(true, false);
    let file = rig.path().join("share/a.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    rig.alerts.clear();
    rig.session.pin_mut().recheck(1).unwrap();
    rig.wait_for(AlertKind::Checked, 1);
    let status = rig.wait_for_status(1, |status| status.done < status.wanted && status.stage == 3);
    assert_eq!(status.wanted - status.done, 16 << 10);
    assert_eq!(status.pieces[0], 0b1110_1111, "piece 3, BEP 3 order");
}

#[test]
fn storage_moves_as_its_mode_says() {
    let (mut rig, _) = seeder(true, false);
    let target = tempfile::tempdir().unwrap();
    let path = target.path().to_str().unwrap();
    rig.session.pin_mut().move_storage(1, path, MoveMode::Replace).unwrap();
    assert_eq!(rig.wait_for(AlertKind::Moved, 1).path, path);
    assert!(target.path().join("share/inner/b.bin").exists());
    // libtorrent posts no status for this: the alert is what tells.
    assert_eq!(rig.session.description(1).unwrap().save_path, path);

    let blocked = tempfile::tempdir().unwrap();
    fs::create_dir(blocked.path().join("share")).unwrap();
    fs::write(blocked.path().join("share/a.bin"), "mine").unwrap();
    let path = blocked.path().to_str().unwrap();
    rig.session.pin_mut().move_storage(1, path, MoveMode::FailIfExists).unwrap();
    let failed = rig.wait_for(AlertKind::MoveFailed, 1);
    assert!(!failed.text.is_empty());
    assert_eq!(fs::read(blocked.path().join("share/a.bin")).unwrap(), b"mine");
    assert!(rig.session.pin_mut().move_storage(1, "", MoveMode::Replace).is_err());
}

/// Rule F2: the new name is as clean as those from a torrent.
#[test]
fn files_are_renamed_within_the_save_path_only() {
    let (mut rig, _) = seeder(true, true);
    rig.session.pin_mut().rename_file(1, 0, "share/new.bin").unwrap();
    let renamed = rig.wait_for(AlertKind::Renamed, 1);
    assert_eq!((renamed.number, renamed.path.as_str()), (0, "share/new.bin"));
    assert!(rig.path().join("share/new.bin").exists());
    let description = rig.session.description(1).unwrap();
    assert_eq!(description.files[0].path, "share/new.bin");
    for bad in
        ["../x", "/etc/x", "a/../../x", "a\u{202e}b", "", "share/C.TXT", "share/inner", "a\0b"]
    {
        assert!(rig.session.pin_mut().rename_file(1, 0, bad).is_err(), "{bad:?}");
    }
    assert!(rig.session.pin_mut().rename_file(1, 99, "share/y").is_err());
}

#[test]
fn only_selected_files_are_fetched() {
    let (mut from, params) = seeder(true, false);
    let mut to = Rig::new();
    let mut options = to.options();
    options.file_priorities = vec![0, 0, 0];
    to.add(again(&params, &options), 7);
    to.wait_for_status(7, |status| status.wanted == 0);
    to.session.pin_mut().prioritize_files(7, &[0, 4, 0]).unwrap();
    to.wait_for(AlertKind::FilesPrioritized, 7);
    let port = from.port();
    to.session.pin_mut().connect_peer(7, "127.0.0.1", port).unwrap();
    // Counted in whole pieces: that of the small file holds parts of its neighbours.
    to.wait_for_status(7, |status| status.wanted > 0 && status.wanted_done == status.wanted);
    assert_eq!(fs::read(to.path().join("share/c.txt")).unwrap(), b"small");
    assert!(!to.path().join("share/inner/b.bin").exists());
    assert_eq!(to.session.description(7).unwrap().file_priorities, [0, 4, 0]);
    assert!(to.session.pin_mut().prioritize_files(7, &[8]).is_err());
}

#[test]
fn pieces_with_deadlines_and_priorities_arrive() {
    let (mut from, params) = seeder(true, false);
    let mut to = Rig::new();
    let options = to.options();
    to.add(again(&params, &options), 7);
    to.wait_for_status(7, |status| status.stage == 3);
    let only_last = [vec![0; 21], vec![7]].concat();
    to.session.pin_mut().prioritize_pieces(7, 0, &only_last).unwrap();
    // Out of range: ignored or refused, but never wrapped round to another piece.
    let mut session = to.session.pin_mut();
    session.as_mut().prioritize_pieces(7, 22, &[1]).unwrap();
    session.as_mut().set_piece_deadline(7, 22, 0).unwrap();
    assert!(session.as_mut().prioritize_pieces(7, u32::MAX - 1, &[1, 1, 1]).is_err());
    assert!(session.as_mut().set_piece_deadline(7, u32::MAX, 0).is_err());
    let port = from.port();
    to.session.pin_mut().connect_peer(7, "127.0.0.1", port).unwrap();
    assert_eq!(to.wait_for(AlertKind::PieceFinished, 7).number, 21);
    to.session.pin_mut().prioritize_pieces(7, 5, &[1]).unwrap();
    to.session.pin_mut().set_piece_deadline(7, 5, 1_000).unwrap();
    assert_eq!(to.wait_for(AlertKind::PieceFinished, 7).number, 5);
    to.session.pin_mut().clear_piece_deadlines(7).unwrap();
}

#[test]
fn limits_flags_and_the_queue_are_set() {
    let mut rig = Rig::new();
    let (one, two) = (magnet(&rig, "1"), magnet(&rig, "2"));
    rig.add(one, 1);
    rig.add(two, 2);
    let limits = TorrentLimits { download: 50_000, upload: 0, connections: 30, uploads: -1 };
    rig.session.pin_mut().set_limits(1, &limits).unwrap();
    rig.session.pin_mut().save_resume(1, false, false).unwrap();
    let saved = rig.wait_for(AlertKind::ResumeData, 1);
    let text = String::from_utf8_lossy(&saved.data).into_owned();
    assert!(text.contains("19:download_rate_limiti50000e"), "{text}");
    assert!(text.contains("15:max_connectionsi30e"), "{text}");

    rig.session.pin_mut().set_flag(1, Flag::AutoManaged, true).unwrap();
    rig.wait_for_status(1, |status| status.is_auto_managed);
    rig.session.pin_mut().set_flag(1, Flag::UploadMode, true).unwrap();
    rig.wait_for_status(1, |status| status.is_upload_mode);
    rig.session.pin_mut().set_flag(1, Flag::UploadMode, false).unwrap();
    rig.wait_for_status(1, |status| !status.is_upload_mode);
    for flag in [Flag::Sequential, Flag::DisableDht, Flag::DisablePex, Flag::ApplyIpFilter] {
        rig.session.pin_mut().set_flag(1, flag, true).unwrap();
    }

    rig.wait_for_status(2, |status| status.queue_position == 1);
    rig.session.pin_mut().move_in_queue(2, QueueMove::Top).unwrap();
    rig.wait_for_status(2, |status| status.queue_position == 0);
    rig.session.pin_mut().move_in_queue(2, QueueMove::Down).unwrap();
    rig.wait_for_status(2, |status| status.queue_position == 1);
}

#[test]
fn trackers_and_web_seeds_are_listed_added_replaced_removed() {
    let mut rig = Rig::new();
    let params = magnet(&rig, "1");
    rig.add(params, 1);
    let tracker = |url: &str, tier| TrackerEntry { url: url.into(), tier };
    let one = tracker("http://one.invalid/announce", 0);
    rig.session.pin_mut().replace_trackers(1, std::slice::from_ref(&one)).unwrap();
    rig.session.pin_mut().add_tracker(1, &tracker("udp://two.invalid:6969", 3)).unwrap();
    let trackers = rig.session.trackers(1).unwrap();
    let urls: Vec<_> = trackers.iter().map(|t| (t.url.as_str(), t.tier)).collect();
    assert_eq!(urls, [("http://one.invalid/announce", 0), ("udp://two.invalid:6969", 3)]);
    assert!(rig.session.pin_mut().reannounce(1, "http://none.invalid/").is_err());
    rig.session.pin_mut().replace_trackers(1, &[]).unwrap();
    assert!(rig.session.trackers(1).unwrap().is_empty());

    rig.session.pin_mut().add_web_seed(1, "http://seed.invalid/a").unwrap();
    assert_eq!(rig.session.web_seeds(1).unwrap(), ["http://seed.invalid/a"]);
    rig.session.pin_mut().remove_web_seed(1, "http://seed.invalid/a").unwrap();
    assert!(rig.session.web_seeds(1).unwrap().is_empty());
}

#[test]
fn tracker_answers_come_as_they_are() {
    let body = "d8:completei3e10:incompletei4e8:intervali1800e12:min intervali1e\
        5:peers0:15:warning message4:hum!e";
    let good = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut rig =
        Rig::with(&[number("tracker_completion_timeout", 2), number("tracker_receive_timeout", 2)]);
    let good = http_tracker(Some(String::leak(good)));
    let wrong = http_tracker(Some("HTTP/1.0 404 gone\r\nContent-Length: 0\r\n\r\n"));
    let silent = http_tracker(None);
    for (token, url) in [(1, &good), (2, &wrong), (3, &silent)] {
        let params = magnet(&rig, &token.to_string());
        rig.add(params, token);
        let tracker = TrackerEntry { url: url.clone(), tier: 0 };
        rig.session.pin_mut().replace_trackers(token, &[tracker]).unwrap();
        rig.session.pin_mut().reannounce(token, "").unwrap();
    }
    assert_eq!(rig.wait_for(AlertKind::TrackerAnnounce, 1).url, good);
    assert_eq!(rig.wait_for(AlertKind::TrackerReply, 1).url, good);
    assert_eq!(rig.wait_for(AlertKind::TrackerWarning, 1).text, "hum!");
    rig.wait_for_status(1, |status| status.scrape_seeds == 3 && status.scrape_leeches == 4);
    let refused = rig.wait_for(AlertKind::TrackerError, 2);
    assert_eq!((refused.number, refused.more), (404, 0), "{refused:?}");
    let late = rig.wait_for(AlertKind::TrackerError, 3);
    assert_eq!((late.number, late.more), (0, 1), "{late:?}");
    rig.session.pin_mut().reannounce(1, &good).unwrap();
    rig.wait_for(AlertKind::TrackerAnnounce, 1);
    assert_trackers_are_reported(&mut rig, &good, &wrong);
}

/// libtorrent's announce entries as they are.
fn assert_trackers_are_reported(rig: &mut Rig, good: &str, wrong: &str) {
    let never = i32::MIN;
    let report = rig.wait("the answer is noted", |rig| {
        let reports = rig.session.tracker_reports(1).unwrap();
        assert_eq!(reports.len(), 1);
        reports.into_iter().find(|report| report.is_verified && !report.endpoints[0].v1.is_updating)
    });
    assert_eq!((&*report.url, report.source, report.tier, report.fail_limit), (good, 2, 0, 0));
    let endpoint = &report.endpoints[0];
    assert_eq!((&*endpoint.ip, endpoint.is_enabled), ("127.0.0.1", true));
    let (v1, v2) = (&endpoint.v1, &endpoint.v2);
    assert_eq!((v1.scrape_complete, v1.scrape_incomplete, v1.fails), (3, 4, 0));
    assert_eq!((&*v1.message, v1.has_error, v1.start_sent), ("hum!", false, true));
    assert!(v1.next_announce > 0, "{v1:?}");
    assert_eq!((v2.scrape_complete, v2.next_announce, v2.min_announce), (-1, never, never));
    let report = &rig.session.tracker_reports(2).unwrap()[0];
    let failed = &report.endpoints[0].v1;
    assert_eq!((&*report.url, report.is_verified), (wrong, false));
    assert!(failed.fails > 0 && failed.has_error && !failed.last_error.is_empty(), "{failed:?}");
}

#[test]
fn properties_are_told_and_set() {
    let (mut rig, _) = seeder(true, false);
    let told = rig.session.properties(1).unwrap();
    assert_eq!((told.download_limit, told.upload_limit), (-1, -1));
    let limits = TorrentLimits { download: 9_000, upload: 8_000, connections: 7, uploads: 6 };
    rig.session.pin_mut().set_limits(1, &limits).unwrap();
    // Sequential download on, DHT off.
    let (sequential, no_dht) = (1 << 9, 1 << 19);
    rig.session.pin_mut().set_flags(1, sequential | no_dht, sequential | no_dht).unwrap();
    let told = rig.session.properties(1).unwrap();
    assert_eq!((told.download_limit, told.upload_limit), (9_000, 8_000));
    assert_eq!((told.max_connections, told.max_uploads), (7, 6));
    assert_eq!(told.flags & (sequential | no_dht), sequential | no_dht);
    rig.session.pin_mut().set_flags(1, 0, no_dht).unwrap();
    let told = rig.session.properties(1).unwrap();
    assert_eq!(told.flags & (sequential | no_dht), sequential);
    let files = rig.session.description(1).unwrap().files;
    assert_eq!(rig.session.file_flags(1).unwrap().len(), files.len());
    assert!(rig.session.pin_mut().set_queue_position(1, -1).is_err());
    rig.session.pin_mut().set_queue_position(1, 0).unwrap();
    let unknown = "the session has no such torrent";
    assert_eq!(rig.session.properties(42).unwrap_err().to_string(), unknown);
    assert_eq!(rig.session.tracker_reports(42).unwrap_err().to_string(), unknown);
    let magnet = magnet(&rig, "5");
    rig.add(magnet, 5);
    assert!(rig.session.file_flags(5).is_err(), "no metadata");
}

#[test]
fn a_session_tells_what_it_does() {
    let mut rig = Rig::new();
    let told = rig.wait("it listens", |rig| {
        Some(rig.session.session_state().unwrap()).filter(|state| state.is_listening)
    });
    assert!(!told.is_paused && !told.is_dht_running);
    rig.session.pin_mut().pause_session().unwrap();
    rig.wait("it is paused", |rig| rig.session.session_state().unwrap().is_paused.then_some(()));
}

#[test]
fn sources_that_are_named_replace_those_of_a_link() {
    let link =
        format!("magnet:?xt=urn:btih:{}&tr=http%3A%2F%2Fold.example%2Fannounce", "6".repeat(40));
    let mut params = bridge::parse_magnet(&link).unwrap();
    let new = ["http://new.example/announce".to_owned()];
    params.pin_mut().replace_trackers(&new).unwrap();
    params.pin_mut().replace_web_seeds(&["http://seed.example/a".to_owned()]).unwrap();
    params.pin_mut().replace_http_seeds(&["http://seed.example/b".to_owned()]).unwrap();
    let told = params.describe().unwrap();
    assert_eq!(told.trackers.len(), 1);
    assert_eq!((&*told.trackers[0].url, told.trackers[0].tier), (&*new[0], 0));
    assert_eq!(told.web_seeds, ["http://seed.example/a"]);
}

#[test]
fn a_peer_is_described() {
    let (mut from, params) = seeder(true, false);
    let mut to = Rig::new();
    // Slow, so that the connection is there to be looked at.
    let options = AddOptions { download_limit: 20_000, ..to.options() };
    to.add(again(&params, &options), 7);
    let port = from.port();
    to.session.pin_mut().connect_peer(7, "127.0.0.1", port).unwrap();
    let peer =
        to.wait("peer", |rig| rig.session.peers(7).unwrap().into_iter().find(|peer| peer.is_seed));
    assert_eq!((peer.ip.as_str(), peer.port), ("127.0.0.1", port));
    assert!(peer.is_outgoing && !peer.is_utp && peer.connection_kind == 0);
    assert!(peer.client.starts_with("libtorrent"), "{}", peer.client);
    assert!((peer.progress - 1.0).abs() < 0.01);
    assert!(to.session.pin_mut().connect_peer(7, "no address", 1).is_err());
    assert!(to.session.pin_mut().connect_peer(7, "127.0.0.1", 0).is_err());
}

/// Rule D6, D8: the reason comes with the file and the system's number.
#[test]
fn a_file_error_names_the_file_and_the_number() {
    let (mut from, params) = seeder(true, false);
    let mut to = Rig::new();
    // A folder stands where the file should be.
    fs::create_dir_all(to.path().join("share/a.bin")).unwrap();
    let options = to.options();
    to.add(again(&params, &options), 7);
    let port = from.port();
    to.session.pin_mut().connect_peer(7, "127.0.0.1", port).unwrap();
    let error = to.wait("file error", |rig| {
        rig.alerts.iter().find(|a| a.kind == AlertKind::FileError).cloned()
    });
    assert!(error.path.ends_with("share/a.bin"), "{error:?}");
    assert_eq!(error.number, 21, "EISDIR: {error:?}");
    to.session.pin_mut().clear_error(7).unwrap();
}

#[test]
fn a_torrent_is_described_from_the_session() {
    let (rig, params) = seeder(true, true);
    let known = params.describe().unwrap();
    let told = rig.session.description(1).unwrap();
    assert_eq!((told.hashes.v1, told.hashes.v2), (known.hashes.v1, known.hashes.v2));
    assert_eq!((told.name.as_str(), told.has_folder), ("share", true));
    let (told, known): (Vec<_>, Vec<_>) = told.files.iter().zip(&known.files).unzip();
    assert!(told.iter().zip(&known).all(|(a, b)| a.path == b.path && a.offset == b.offset));
}
