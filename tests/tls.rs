//! TLS on the listeners, with a certificate from the disk (rule W12).

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::common::app::Home;
use crate::common::http::send_raw;
use crate::common::pki::Pki;

#[test]
fn w12_every_listener_with_a_certificate_speaks_tls_and_nothing_else() {
    let home = Home::new();
    let pki = Pki::new(&home);
    let home = pki.on(home);
    let app = home.start();
    let tracker = app.tracker_http[0];
    let api = app.api.host.trim_start_matches("https://").to_owned();
    assert!(app.api.host.starts_with("https://"), "{}", app.api.host);

    let agent = pki.agent();
    let url = format!("https://localhost:{}/announce", tracker.port());
    assert_eq!(agent.get(&url).call().unwrap().status(), 200);
    let url = format!("https://localhost:{}/api/downloads", api.rsplit(':').next().unwrap());
    let answer = agent.get(&url).header("X-Api-Key", &app.api.token).call().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(agent.get(&url).call().unwrap().status(), 401);

    for plain in [api, tracker.to_string()] {
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let answer = send_raw(&plain, request).unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP/"), "no plain HTTP beside TLS");
    }
    app.stop();
}

/// The command line trusts the configured certificate and no other, whatever its name is.
#[test]
fn w12_the_command_line_finds_its_server_behind_tls() {
    let home = Home::new();
    let pki = Pki::new(&home);
    let home = pki.on(home);
    let app = home.start();
    let with = |certificate: &std::path::Path, arguments: &[&str]| {
        let tls = [("api.tls.certificate", certificate), ("api.tls.key", &pki.key)];
        let sets = tls.map(|(key, path)| format!("--set={key}={}", path.display()));
        let words: Vec<&str> =
            sets.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        home.run(&words)
    };

    let listed = with(&pki.certificate, &["ls"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));

    let other = Home::new();
    let stranger = Pki::new(&other);
    let refused = with(&stranger.certificate, &["ls"]);
    assert_eq!(refused.status.code(), Some(6));
    drop(app);
}

#[test]
fn w12_a_key_that_others_may_read_is_exit_code_2() {
    let home = Home::new();
    let pki = Pki::new(&home);
    fs::set_permissions(&pki.key, Permissions::from_mode(0o640)).unwrap();

    let (status, log) = pki.on(home).try_start().err().unwrap();

    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("chmod 600") && log.contains("key.pem"), "{log}");
}
