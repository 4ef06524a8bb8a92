//! Data from one session to another, in every version of the protocol, and back after a restart.

use std::fs;

use super::rig::CHECKING;
use super::rig::Rig;
use super::rig::SEEDING;
use super::rig::again;
use super::rig::author;
use super::rig::make_share;
use super::rig::request;
use super::rig::seeder;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::AlertKind;

fn transfer(make_v1: bool, make_v2: bool) {
    let (mut from, params) = seeder(make_v1, make_v2);
    let mut to = Rig::new();
    let options = to.options();
    to.add(again(&params, &options), 7);
    to.fetch_from(&mut from, 7);
    for file in ["a.bin", "inner/b.bin", "c.txt"] {
        let sent = fs::read(from.path().join("share").join(file)).unwrap();
        assert_eq!(fs::read(to.path().join("share").join(file)).unwrap(), sent, "{file}");
    }
    let status = &to.statuses[&7];
    assert_eq!(status.done, status.wanted);
    assert!(status.pieces.iter().any(|byte| *byte != 0));
    to.wait_for(AlertKind::Finished, 7);
    assert!(to.alerts.iter().any(|a| a.kind == AlertKind::PieceFinished && a.token == 7));
}

#[test]
fn a_v1_torrent_is_transferred() {
    transfer(true, false);
}

#[test]
fn a_v2_torrent_is_transferred() {
    transfer(false, true);
}

#[test]
fn a_hybrid_torrent_is_transferred() {
    transfer(true, true);
}

/// Data that was hashed a moment ago is not read again.
#[test]
fn an_authored_torrent_seeds_without_a_check() {
    let (mut rig, _) = seeder(true, true);
    rig.drain();
    let checked =
        |a: &bridge::Alert| a.kind == AlertKind::StateChanged && a.number == i64::from(CHECKING);
    assert!(!rig.alerts.iter().any(checked), "{:#?}", rig.alerts);
    let status = &rig.statuses[&1];
    assert_eq!(status.pieces, [0xff; 3][..2].iter().copied().chain([0xff]).collect::<Vec<u8>>());
}

#[test]
fn a_magnet_gets_its_metadata_from_the_peer() {
    for (make_v1, make_v2) in [(true, false), (false, true), (true, true)] {
        let (mut from, params) = seeder(make_v1, make_v2);
        let link = params.magnet_link().unwrap();
        let mut to = Rig::new();
        let mut magnet = bridge::parse_magnet(&link).unwrap();
        assert!(!magnet.describe().unwrap().has_metadata);
        assert!(magnet.metadata_bytes().is_err());
        magnet.pin_mut().set_options(&to.options()).unwrap();
        to.add(magnet, 3);
        let port = from.port();
        to.session.pin_mut().connect_peer(3, "127.0.0.1", port).unwrap();
        to.wait_for(AlertKind::MetadataReceived, 3);
        to.wait_for_stage(3, SEEDING);

        let known = to.session.description(3).unwrap();
        let files = |d: &bridge::Description| {
            let whole = d.files.iter().filter(|f| !f.is_padding);
            whole.map(|f| (f.path.clone(), f.size)).collect::<Vec<_>>()
        };
        assert_eq!(files(&known), files(&params.describe().unwrap()));
        to.session.pin_mut().save_resume(3, true, false).unwrap();
        let saved = to.wait_for(AlertKind::ResumeData, 3);
        let again = bridge::parse_resume(&saved.data, &saved.metadata).unwrap();
        let description = again.describe().unwrap();
        assert_eq!(description.hashes.v1, known.hashes.v1);
        assert_eq!(description.hashes.v2, known.hashes.v2);
        assert!(description.has_metadata);
    }
}

/// Rule D1: no full recheck after a restart.
#[test]
fn a_torrent_comes_back_from_resume_data_without_a_check() {
    for (make_v1, make_v2) in [(true, false), (false, true), (true, true)] {
        let (mut first, params) = seeder(make_v1, make_v2);
        first.session.pin_mut().save_resume(1, true, false).unwrap();
        let saved = first.wait_for(AlertKind::ResumeData, 1);
        assert!(!saved.metadata.is_empty());
        let info = b"4:infod";
        assert!(!saved.data.windows(info.len()).any(|part| part == info), "no info dictionary");

        let resumed = bridge::parse_resume(&saved.data, &saved.metadata).unwrap();
        let before = resumed.describe().unwrap();
        assert_eq!(before.hashes.v1, params.describe().unwrap().hashes.v1);
        let mut second = Rig::new();
        second.add(resumed, 5);
        let status = second.wait_for_stage(5, SEEDING);
        assert_eq!(status.save_path, first.path().to_str().unwrap());
        let is_check = |a: &bridge::Alert| {
            a.kind == AlertKind::StateChanged && a.number == i64::from(CHECKING)
                || a.kind == AlertKind::ResumeRejected
        };
        assert!(!second.alerts.iter().any(is_check), "{:#?}", second.alerts);
    }
}

#[test]
fn saving_when_nothing_changed_says_so() {
    let (mut rig, _) = seeder(true, false);
    rig.session.pin_mut().save_resume(1, false, false).unwrap();
    let saved = rig.wait_for(AlertKind::ResumeData, 1);
    assert!(saved.metadata.is_empty());
    rig.wait_for_status(1, |status| !status.needs_resume);
    rig.session.pin_mut().save_resume(1, false, true).unwrap();
    let failed = rig.wait_for(AlertKind::ResumeFailed, 1);
    assert_eq!(failed.number, 1);
}

#[test]
fn resume_data_of_a_magnet_needs_no_metadata() {
    let (_from, params) = seeder(true, false);
    let mut magnet = bridge::parse_magnet(&params.magnet_link().unwrap()).unwrap();
    magnet.pin_mut().set_options(&super::rig::options("/tmp/nowhere".as_ref())).unwrap();
    let resume = magnet.resume_bytes().unwrap();
    let back = bridge::parse_resume(&resume, &[]).unwrap().describe().unwrap();
    assert_eq!(back.hashes.v1, params.describe().unwrap().hashes.v1);
    assert_eq!(back.save_path, "/tmp/nowhere");
    assert!(!back.has_metadata);
}

/// Times of the last transfer are on the steady clock in libtorrent, on ours in resume data.
#[test]
fn the_time_of_the_last_transfer_survives_as_unix_time() {
    let (mut from, params) = seeder(true, false);
    let mut to = Rig::new();
    let options = to.options();
    to.add(again(&params, &options), 7);
    to.fetch_from(&mut from, 7);
    let status = to.wait_for_status(7, |status| status.last_download_at > 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    assert!((now - status.last_download_at).abs() < 120, "{}", status.last_download_at);
    to.session.pin_mut().save_resume(7, false, false).unwrap();
    let saved = to.wait_for(AlertKind::ResumeData, 7);
    let text = String::from_utf8_lossy(&saved.data);
    let at = text.find("13:last_downloadi").unwrap() + 17;
    let stored: i64 = text[at..].split('e').next().unwrap().parse().unwrap();
    assert!((stored - status.last_download_at).abs() <= 1, "{stored}");
}

#[test]
fn metadata_of_another_torrent_is_refused() {
    let (_one, params) = seeder(true, false);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.bin");
    fs::write(&file, super::rig::noise(50_000, 9)).unwrap();
    let other = author(&request(&file, true, false));
    let refused =
        bridge::parse_resume(&params.resume_bytes().unwrap(), &other.metadata_bytes().unwrap());
    assert_eq!(refused.err().unwrap().to_string(), "the metadata is of another torrent");
}

#[test]
fn forgotten_pieces_are_checked_again() {
    let mut rig = Rig::new();
    let share = make_share(rig.path());
    let mut params = author(&request(&share, true, false));
    params.pin_mut().set_options(&rig.options()).unwrap();
    params.pin_mut().forget_pieces().unwrap();
    rig.add(params, 1);
    rig.wait_for(AlertKind::Checked, 1);
    rig.wait_for_stage(1, SEEDING);
}
