//! Destinations and addresses that lead where they must not (rules F1, F3, F5, F6).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::common::app::App;
use crate::common::app::Home;
use crate::common::torrents::KIB;
use crate::common::torrents::Recipe;
use crate::common::torrents::Torrent;
use crate::common::torrents::payload;

fn one() -> Torrent {
    Recipe::named("one.bin").single(&payload(800, 64 * KIB))
}

#[track_caller]
fn assert_refused(app: &App<'_>, destination: &str) {
    let more = json!({ "destination": destination });
    let answer = app.api.put_uri(&one().magnet(), more);
    assert!(
        (400..500).contains(&answer.status),
        "{destination}: {} {}",
        answer.status,
        answer.text()
    );
    assert_eq!(app.api.downloads().len(), 0, "{destination}: nothing was added");
}

/// Rule F1.
#[test]
fn f1_only_places_under_a_root_are_destinations() {
    let home = Home::new();
    let app = home.start();
    let outside = home.outer.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, home.downloads.join("way-out")).unwrap();
    symlink(&home.state, home.downloads.join("state")).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let inside = path(&home.downloads);
    let refused = [
        path(&outside),
        path(&home.state),
        format!("{inside}/../outside"),
        format!("{inside}/.."),
        format!("{inside}/way-out"),
        format!("{inside}/way-out/deeper/down"),
        format!("{inside}/state"),
        format!("{inside}-not-it"),
        format!("{inside}/nul\0byte"),
        format!("{inside}/{}", "long/".repeat(2_000)),
        "/".into(),
        "/etc".into(),
        "/proc/self/cwd".into(),
        "/sys".into(),
        "/dev/shm".into(),
        "../outside".into(),
    ];
    for destination in refused {
        assert_refused(&app, &destination);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing was made there");
    let fine = home.downloads.join("new/place");
    app.api.add_to(&one().file, &fine);
    assert_eq!(app.api.download(&one().hash)["destination"], json!(fine));
}

/// Rule F1: moving is held to the same roots as adding.
#[test]
fn f1_a_torrent_is_not_moved_out() {
    let home = Home::new();
    let outside = home.outer.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let inside = home.downloads.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(home.downloads.join("one.bin"), payload(800, 64 * KIB)).unwrap();
    let app = home.start();
    let hash = app.api.add(&one().file);
    app.api.wait_seeding(&hash);

    let body = json!({ "state": "move_storage", "dest_dir": outside });
    let answer = app.api.call("PATCH", &format!("/api/downloads/{hash}"), &body);
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(!outside.join("one.bin").exists());

    app.api.patch(&hash, &json!({ "state": "move_storage", "dest_dir": inside }));
    app.api.wait(&hash, "moved", |row| row["destination"] == json!(inside));
    assert!(inside.join("one.bin").exists() && !home.downloads.join("one.bin").exists());
}

/// Rule F3: removing data takes this torrent's files and nothing else.
#[test]
fn f3_removing_data_follows_no_link_and_keeps_what_is_foreign() {
    let home = Home::new();
    let outside = home.outer.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("b.bin"), b"foreign").unwrap();
    let files = [("a.bin", payload(801, 64 * KIB)), ("sub/b.bin", payload(802, 64 * KIB))];
    let torrent = Recipe::named("album").folder(&files);
    let top = home.downloads.join("album");
    fs::create_dir_all(top.join("sub")).unwrap();
    for (name, content) in &files {
        fs::write(top.join(name), content).unwrap();
    }
    fs::write(top.join("mine.txt"), b"mine").unwrap();
    let app = home.start();
    let hash = app.api.add(&torrent.file);
    app.api.wait_seeding(&hash);
    // The directory is swapped for a link to a place where a file of the same name lies.
    fs::remove_dir_all(top.join("sub")).unwrap();
    symlink(&outside, top.join("sub")).unwrap();

    let body = json!({ "remove_data": true });
    let answer = app.api.call("DELETE", &format!("/downloads/{hash}"), &body);

    assert!([200, 500].contains(&answer.status), "{}", answer.text());
    assert!(!top.join("a.bin").exists(), "its own file is gone");
    assert_eq!(fs::read(outside.join("b.bin")).unwrap(), b"foreign");
    assert_eq!(fs::read(top.join("mine.txt")).unwrap(), b"mine");
}

/// Rule F5: `file:` reads nothing unless a directory was named for it.
#[test]
fn f5_file_links_reach_only_the_import_directories() {
    let home = Home::new();
    let import = home.outer.path().join("import");
    fs::create_dir(&import).unwrap();
    let file = one().save(&import);
    let secret = home.outer.path().join("secret.torrent");
    fs::write(&secret, &one().file).unwrap();
    symlink(&secret, import.join("link.torrent")).unwrap();
    let link = |path: &Path| format!("file://{}", path.display());
    let refused = |app: &App<'_>, uri: &str| {
        let answer = app.api.put_uri(uri, json!({}));
        assert!((400..=500).contains(&answer.status), "{uri}: {}", answer.text());
        assert_eq!(app.api.downloads().len(), 0, "{uri}");
    };
    let app = home.start();
    refused(&app, &link(&file));
    app.stop();

    let home = home.set("client.import_dirs", import.display());
    let app = home.start();
    let uris = [
        link(&secret),
        link(&import.join("link.torrent")),
        link(&import.join("../secret.torrent")),
        link(&import),
        link(&import.join("missing.torrent")),
        "file:///dev/zero".into(),
        "file:///etc/passwd".into(),
        "file:///proc/self/environ".into(),
        "ftp://127.0.0.1/x.torrent".into(),
        "gopher://127.0.0.1/".into(),
        file.display().to_string(),
    ];
    for uri in uris {
        refused(&app, &uri);
    }
    assert_eq!(app.api.add_uri(&link(&file), json!({})), one().hash);
}

/// Rule F6: a link does not make the program ask its own network, unless the user allows it.
#[test]
fn f6_links_do_not_reach_private_addresses() {
    let server = FileServer::start(one().file);
    let home = Home::new();
    let app = home.start();
    let (host, port) = ("127.0.0.1", server.port);
    let own = &app.api.host;
    let refused = [
        format!("http://{host}:{port}/a.torrent"),
        format!("http://localhost:{port}/a.torrent"),
        format!("http://[::ffff:127.0.0.1]:{port}/a.torrent"),
        format!("http://2130706433:{port}/a.torrent"),
        format!("http://{own}/downloads"),
        "http://169.254.169.254/latest/meta-data".into(),
        "http://10.0.0.1/a.torrent".into(),
    ];
    for uri in refused {
        let answer = app.api.put_uri(&uri, json!({}));
        assert!((400..500).contains(&answer.status), "{uri}: {} {}", answer.status, answer.text());
    }
    assert_eq!(server.requests(), 0, "nobody was asked");
    app.stop();

    let home = home.set("client.fetch_private", host);
    let app = home.start();
    assert_eq!(app.api.add_uri(&format!("http://{host}:{port}/a.torrent"), json!({})), one().hash);
    assert_eq!(server.requests(), 1);
}

/// Serves one file to everybody and counts them.
struct FileServer {
    port: u16,
    count: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl FileServer {
    fn start(file: Vec<u8>) -> Self {
        use std::io::Read as _;
        use std::io::Write as _;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let shared = std::sync::Arc::clone(&count);
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                shared.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = socket.read(&mut request);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    file.len()
                );
                let _ = socket.write_all(&[head.as_bytes(), &file].concat());
            }
        });
        Self { port, count }
    }

    fn requests(&self) -> usize {
        self.count.load(std::sync::atomic::Ordering::SeqCst)
    }
}
