//! Starting and stopping, settings, statistics, waking, resynchronising.

use super::rig::Rig;
use super::rig::number;
use super::rig::seeder;
use super::rig::switch;
use super::rig::words;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::AlertKind;
use crate::engine::ffi::bridge::Setting;
use crate::engine::ffi::bridge::SettingKind;

fn refusal(setting: Setting) -> String {
    let mut rig = Rig::new();
    rig.session.pin_mut().apply_settings(&[setting]).unwrap_err().to_string()
}

#[test]
fn a_session_listens_and_says_where() {
    let mut rig = Rig::new();
    let port = rig.port();
    let alert = rig.wait("listen", |rig| {
        let is_tcp = |a: &&bridge::Alert| a.kind == AlertKind::ListenSucceeded && a.path == "tcp";
        rig.alerts.iter().find(is_tcp).cloned()
    });
    assert_eq!((alert.text.as_str(), alert.number), ("127.0.0.1", i64::from(port)));
}

/// Rule D13.
#[test]
fn a_listen_interface_that_is_taken_is_reported() {
    let mut first = Rig::new();
    let address = format!("127.0.0.1:{}", first.port());
    let mut second = Rig::with(&[
        words("listen_interfaces", &address),
        number("max_retry_port_bind", 0),
        switch("listen_system_port_fallback", false),
    ]);
    let failed = second.wait_for(AlertKind::ListenFailed, 0);
    assert!(failed.number > 0, "the system's error number: {failed:?}");
    assert!(failed.text.contains("in use"), "{failed:?}");
}

#[test]
fn settings_go_in_and_come_out_by_name() {
    let mut rig = Rig::new();
    rig.session
        .pin_mut()
        .apply_settings(&[
            number("connections_limit", 77),
            switch("enable_lsd", true),
            words("user_agent", "cove test"),
        ])
        .unwrap();
    let settings = rig.session.settings().unwrap();
    let find = |name: &str| settings.iter().find(|s| s.name == name).unwrap();
    assert_eq!(find("connections_limit").number, 77);
    assert_eq!(find("enable_lsd").number, 1);
    assert_eq!(find("user_agent").text, "cove test");
}

#[test]
fn every_setting_has_a_name_and_a_default() {
    let known = bridge::known_settings().unwrap();
    assert!(known.len() > 150, "{}", known.len());
    assert!(known.iter().all(|setting| !setting.name.is_empty()));
    let queue = known.iter().find(|s| s.name == "alert_queue_size").unwrap();
    assert_eq!((queue.kind, queue.number > 0), (SettingKind::Int, true));
    assert!(known.iter().any(|s| s.name == "user_agent" && s.kind == SettingKind::Text));
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    assert_eq!(
        refusal(number("conections_limit", 1)),
        "libtorrent has no setting `conections_limit`"
    );
}

#[test]
fn a_setting_of_the_wrong_type_is_refused_by_name() {
    let text = "setting `user_agent` is of another type";
    assert_eq!(refusal(number("user_agent", 1)), text);
    let text = "setting `enable_dht` is of another type";
    assert_eq!(refusal(words("enable_dht", "yes")), text);
    let text = "setting `connections_limit` is out of range";
    assert_eq!(refusal(number("connections_limit", i64::MAX)), text);
    assert!(refusal(number("alert_mask", 0)).contains("alert_mask"));
}

#[test]
fn statistics_come_by_the_index_of_their_name() {
    let (mut rig, _) = seeder(true, false);
    let names = bridge::stat_names().unwrap();
    let seeding = names.iter().find(|name| name.name == "ses.num_seeding_torrents").unwrap();
    assert!(!seeding.is_counter);
    let index = seeding.index as usize;
    rig.wait("statistics", |rig| {
        rig.session.pin_mut().post_stats().unwrap();
        rig.stats.get(index).filter(|count| **count == 1).copied()
    });
}

#[test]
fn the_engine_is_woken_when_alerts_wait() {
    let mut rig = Rig::new();
    rig.port();
    rig.drain();
    rig.session.pin_mut().post_stats().unwrap();
    while rig.stats.is_empty() {
        rig.wait_for_wake();
        rig.drain();
    }
}

#[test]
fn dropped_alerts_are_named_and_everything_can_be_asked_again() {
    let (mut rig, params) = seeder(true, false);
    rig.session.pin_mut().apply_settings(&[number("alert_queue_size", 1)]).unwrap();
    let url = super::rig::http_tracker(Some("HTTP/1.0 404 no\r\n\r\n"));
    for number in 0..50 {
        let tracker = bridge::TrackerEntry { url: format!("{url}/{number}"), tier: 0 };
        rig.session.pin_mut().add_tracker(1, &tracker).unwrap();
    }
    for _ in 0..50 {
        rig.session.pin_mut().pause(1).unwrap();
        rig.session.pin_mut().resume(1).unwrap();
        rig.session.pin_mut().rename_file(1, 0, "share/other.bin").unwrap();
        rig.session.pin_mut().rename_file(1, 0, "share/a.bin").unwrap();
    }
    let dropped = rig.wait_for(AlertKind::Dropped, 0);
    assert!(!dropped.text.is_empty());
    drop(params);

    // Room again, also for the answer.
    rig.session.pin_mut().apply_settings(&[number("alert_queue_size", 100_000)]).unwrap();
    rig.statuses.clear();
    rig.session.pin_mut().post_all().unwrap();
    rig.wait_for_status(1, |status| status.piece_count == 22);
}

#[test]
fn a_stopped_session_refuses_every_call() {
    let (mut rig, _) = seeder(true, false);
    rig.session.pin_mut().abort().unwrap();
    rig.session.pin_mut().abort().unwrap();
    let stopped = "the session is stopping";
    assert!(rig.session.pin_mut().pause(1).is_err());
    assert_eq!(rig.session.listen_port().unwrap_err().to_string(), stopped);
    assert_eq!(rig.session.pin_mut().post_updates().unwrap_err().to_string(), stopped);
}

#[test]
fn pausing_the_session_pauses_its_torrents() {
    let (mut rig, _) = seeder(true, false);
    rig.session.pin_mut().pause_session().unwrap();
    rig.wait_for(AlertKind::Paused, 1);
    rig.session.pin_mut().resume_session().unwrap();
    rig.wait_for(AlertKind::Resumed, 1);
}

#[test]
fn libtorrent_tells_its_version() {
    assert!(bridge::libtorrent_version().unwrap().starts_with("2."));
}
