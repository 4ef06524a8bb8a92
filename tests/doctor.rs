//! Issue 5, point 9: `cove doctor` and `GET /v1/doctor`, with a server and without one, in
//! surroundings that are broken on purpose.

use std::fs;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::app::App;
use crate::common::app::BINARY;
use crate::common::app::Home;
use crate::common::machine::Mount;
use crate::common::machine::is_root;
use crate::common::process::skip;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::payload;
use crate::common::wait_for;

/// What `cove doctor` ends with when it found a fault.
const UNWELL: i32 = 9;
/// An account without rights.
const NOBODY: u32 = 65_534;

/// A home whose tracker listens on loopback.
fn home() -> Home {
    Home::new().set("tracker.udp.bind", "127.0.0.1:0").set("tracker.http.bind", "127.0.0.1:0")
}

/// What `cove doctor --json` says, and what it ends with.
#[track_caller]
fn doctor(home: &Home) -> (Value, i32) {
    let output = home.configured_command(&["doctor", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {said}"));
    (report, output.status.code().expect("it ends by itself"))
}

fn checks<'a>(report: &'a Value, name: &str) -> Vec<&'a Value> {
    let all = report["checks"].as_array().expect("there are checks");
    all.iter().filter(|check| check["name"] == name).collect()
}

/// Fails unless one check of this name has this verdict and says all of `words`, mend included.
#[track_caller]
fn assert_found(report: &Value, name: &str, verdict: &str, words: &[&str]) {
    let fits = |check: &&Value| {
        let text = format!("{} {}", check["sentence"], check["mend"]);
        check["verdict"] == verdict && words.iter().all(|word| text.contains(word))
    };
    let found = checks(report, name);
    assert!(found.iter().any(fits), "no {verdict} {words:?} in {found:#?}");
}

#[test]
fn a_server_that_is_well_says_so() {
    let home = home();
    let app = home.start();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, 0, "{report:#}");
    assert_ne!(report["verdict"], "fault");
    let downloads = home.downloads.to_str().unwrap();
    assert_found(&report, "root", "fine", &[downloads, "may write"]);
    assert_found(&report, "state", "fine", &[home.state.to_str().unwrap()]);
    assert_found(&report, "api-port", "fine", &[&app.api.host, "answers"]);
    let udp = app.tracker_udp[0].to_string();
    assert_found(&report, "tracker-udp-port", "fine", &[&udp, "answers"]);
    let http = app.tracker_http[0].to_string();
    assert_found(&report, "tracker-http-port", "fine", &[&http, "answers"]);
    assert_found(&report, "peer-port", "fine", &[&app.peer_port.to_string()]);
    assert_found(&report, "peers-from-outside", "warning", &["this machine alone"]);
    assert_found(&report, "tracker-from-outside", "warning", &["this machine alone"]);
    assert_found(&report, "external-address", "unknown", &["tracker.external_ip"]);
    assert_found(&report, "clock", "unknown", &["was not compared"]);
    assert_found(&report, "store", "fine", &["whole"]);
    for name in ["account", "space", "descriptors", "inotify", "libtorrent"] {
        assert!(!checks(&report, name).is_empty(), "{name}");
    }
    let answer = app.api.get("/v1/doctor");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["checks"], report["checks"], "the command line asks the server");
    let text = home.configured_command(&["doctor"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("fine") && text.contains("tracker-udp-port"), "{text}");
    app.stop();
}

#[test]
fn without_a_server_it_looks_itself_and_makes_nothing() {
    let home = home();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, 0, "{report:#}");
    assert_found(&report, "state", "fine", &["the first start makes it"]);
    assert_found(&report, "store", "fine", &["none yet"]);
    assert_found(&report, "api-port", "fine", &["free port"]);
    assert_found(&report, "from-outside", "unknown", &["no server runs"]);
    assert!(!home.state.exists(), "the state directory was made");
    assert_eq!(fs::read_dir(&home.downloads).unwrap().count(), 0);

    home.start().stop();
    let before = names(&home.state);
    let (report, _) = doctor(&home);
    assert_found(&report, "store", "fine", &["whole"]);
    assert_eq!(names(&home.state), before);
    home.start().kill();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, 0, "{report:#}");
    assert_found(&report, "store", "unknown", &["did not stop in order"]);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_port_that_is_taken_is_named_before_the_start() {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    let (tcp, udp) = (tcp.unwrap(), udp.unwrap());
    let tcp_at = tcp.local_addr().unwrap().to_string();
    let udp_at = udp.local_addr().unwrap().to_string();
    let home = Home::new()
        .set("api.bind", &tcp_at)
        .set("client.listen", &tcp_at)
        .set("tracker.udp.bind", &udp_at)
        .set("tracker.http.bind", "192.0.2.1:1");
    let (report, exit) = doctor(&home);
    assert_eq!((exit, &report["verdict"]), (UNWELL, &Value::from("fault")));
    assert_found(&report, "api-port", "fault", &[&tcp_at, "another program", "api.bind"]);
    assert_found(&report, "peer-port", "fault", &[&tcp_at, "client.listen"]);
    assert_found(&report, "tracker-udp-port", "fault", &[&udp_at, "ss -lnup"]);
    assert_found(&report, "tracker-http-port", "fault", &["no address 192.0.2.1"]);
}

#[test]
fn a_peer_port_that_is_taken_is_a_fault_of_the_running_server() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let home = Home::new().set("client.listen", at);
    let app = home.start();
    assert_eq!(app.peer_port, 0);
    let (report, exit) = doctor(&home);
    assert_eq!(exit, UNWELL);
    assert_found(&report, "peer-port", "fault", &["listens nowhere", "client.listen"]);
    assert_found(&report, "tracker-udp-port", "fine", &["switched off"]);
    app.stop();
}

#[test]
fn a_root_that_is_missing_or_none_is_a_fault() {
    let home = Home::new();
    let (missing, file) = (home.outer.path().join("disk"), home.outer.path().join("file"));
    fs::write(&file, "").unwrap();
    let [downloads, missing, file] =
        [&home.downloads, &missing, &file].map(|path| path.to_str().unwrap().to_owned());
    let home = home.set("client.roots", format!("{downloads},{missing},{file}"));
    let app = home.start();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, UNWELL);
    assert_found(&report, "root", "fine", &[&downloads]);
    assert_found(&report, "root", "fault", &[&missing, "is not there", "mount"]);
    assert_found(&report, "root", "fault", &[&file, "no directory"]);
    app.stop();
}

/// Starts the program as an account without rights.
fn as_nobody() -> Vec<std::ffi::OsString> {
    let id = NOBODY.to_string();
    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(Into::into).to_vec()
}

#[test]
fn a_root_that_the_account_may_not_write_is_named_with_uid_and_mend() {
    let test = "an account without rights";
    let words = as_nobody();
    let tried = Command::new(&words[0]).args(&words[1..]).args([BINARY, "--version"]).output();
    if !is_root() || !tried.is_ok_and(|tried| tried.status.success()) {
        skip(test, "root, setpriv and a program that everybody may run", false);
        return;
    }
    let home = Home::new();
    let closed = home.outer.path().join("closed");
    fs::create_dir_all(closed.join("inside")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    chown(home.outer.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let downloads = home.downloads.to_str().unwrap().to_owned();
    let inside = closed.join("inside").to_str().unwrap().to_owned();
    let home = home.set("client.roots", format!("{downloads},{inside}")).launched_by(as_nobody());
    let app = home.start();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, UNWELL);
    let mend = format!("chown {NOBODY} '{downloads}'");
    assert_found(&report, "root", "fault", &[&downloads, "uid 65534", "belongs to uid 0", &mend]);
    assert_found(&report, "root", "fault", &[&inside, "cannot enter", "Permission denied"]);
    assert_found(&report, "account", "fine", &["uid 65534"]);
    app.stop();
}

#[test]
fn a_disk_that_is_full_or_read_only_is_a_fault_until_it_is_mended() {
    let home = Home::new();
    let Some(mount) = Mount::tmpfs("a full disk", &home.downloads, 8 << 20) else { return };
    let app = home.start();
    let (report, exit) = doctor(&home);
    assert_eq!(exit, UNWELL, "8 MiB are nothing: {report:#}");
    let path = home.downloads.to_str().unwrap();
    assert_found(&report, "space", "fault", &[path, "only"]);
    mount.resize(64 << 20);
    wait_verdict(&app, "space", path, "warning");
    mount.remount("ro");
    wait_verdict(&app, "root", path, "fault");
    assert_found(&app.api.get("/v1/doctor").json(), "root", "fault", &["read-only"]);
    app.stop();
    drop(mount);
}

/// The server's answers are good for some seconds.
#[track_caller]
fn wait_verdict(app: &App<'_>, name: &str, about: &str, verdict: &str) {
    wait_for(&format!("{name} is {verdict}"), || {
        let report = app.api.get("/v1/doctor").json();
        let is_it = |check: &&Value| {
            check["verdict"] == verdict && check["sentence"].to_string().contains(about)
        };
        checks(&report, name).iter().any(is_it).then_some(())
    });
}

/// A tracker of the last century: it answers every announce, and its clock stands still.
#[test]
fn a_clock_that_differs_from_a_trackers_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let body = "d8:intervali1800e5:peers0:e";
            let head = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
            let rest = format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{rest}{body}").as_bytes());
        }
    });
    let home = Home::new().set("client.fetch_private", "true");
    let content = payload(1, 20 * KIB);
    fs::write(home.downloads.join("a.bin"), &content).unwrap();
    let torrent = Recipe::named("a.bin").announce(&url).single(&content);
    let app = home.start();
    app.api.add(&torrent.file);
    wait_verdict(&app, "clock", "ahead of 127.0.0.1", "fault");
    app.stop();
}

#[test]
fn a_damaged_store_is_found_without_starting_it() {
    let home = Home::new();
    let app = home.start();
    let torrents = crate::common::torrents::many_small(home.outer.path(), 40, 70_000);
    torrents.iter().for_each(|torrent| drop(app.api.add(&torrent.file)));
    app.stop();
    let path = home.state.join("state.db");
    let size = fs::metadata(&path).unwrap().len();
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    for page in 2..size / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xff; 128]).unwrap();
    }
    drop(file);
    let (report, exit) = doctor(&home);
    assert_eq!(exit, UNWELL);
    assert_found(&report, "store", "fault", &["copy of the state directory"]);
}

#[test]
fn too_few_descriptors_are_a_warning() {
    let home = Home::new().launched_by(vec!["prlimit".into(), "--nofile=1024:1024".into()]);
    let (report, exit) = doctor(&home);
    assert_eq!(exit, 0);
    assert_found(&report, "descriptors", "warning", &["only 1024", "LimitNOFILE"]);
}
