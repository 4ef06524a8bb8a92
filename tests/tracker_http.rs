//! The HTTP tracker over real sockets, IPv4 and IPv6: the vectors H1 to H25.

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;

use crate::common::DEADLINE;
use crate::common::announcer::endpoint;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::bencode::Value;
use crate::common::bencode::decode;
use crate::common::http::Answer;
use crate::common::http::Request;
use crate::common::random::Random;

const IH: &str = "%124Vx%90%124Vx%90%124Vx%90%124Vx%90";
const HEX: &str = "1234567890123456789012345678901234567890";
const PID1: &str = "-XX0001-abcdefghijkl";
const PID2: &str = "-XX0001-000000000002";

fn home(mode: &str) -> Home {
    Home::new().set("tracker.mode", mode).set("tracker.http.bind", "127.0.0.1:0,[::1]:0")
}

fn get(tracker: SocketAddr, target: &str) -> Answer {
    let request = Request { method: "GET", target, ..Request::default() };
    request.send(&tracker.to_string()).unwrap()
}

/// The dictionary of an answer, which is always one whole bencoded dictionary (H25).
#[track_caller]
fn dict(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    let Some(Value::Dict(pairs)) = decode(&answer.body) else {
        panic!("not bencode: {}", answer.text());
    };
    pairs
        .into_iter()
        .map(|(key, value)| (String::from_utf8_lossy(&key).into_owned(), value))
        .collect()
}

#[track_caller]
fn value(answer: &Answer, key: &str) -> Value {
    let found = dict(answer).into_iter().find(|(known, _)| known == key);
    found.unwrap_or_else(|| panic!("no {key} in {}", answer.text())).1
}

#[track_caller]
fn int(answer: &Answer, key: &str) -> i64 {
    let Value::Int(number) = value(answer, key) else { panic!("{key} is no number") };
    number
}

#[track_caller]
fn failure(answer: &Answer) -> String {
    let Value::Text(text) = value(answer, "failure reason") else { panic!("no text") };
    String::from_utf8(text).unwrap()
}

/// The peers of the asker's family.
#[track_caller]
fn peers(answer: &Answer, tracker: SocketAddr) -> Vec<SocketAddr> {
    let (key, size) = if tracker.is_ipv4() { ("peers", 6) } else { ("peers6", 18) };
    let Value::Text(bytes) = value(answer, key) else { panic!("not compact") };
    assert_eq!(bytes.len() % size, 0);
    bytes.chunks(size).map(endpoint).collect()
}

fn seed(more: &str) -> String {
    format!(
        "/announce?info_hash={IH}&peer_id={PID1}&port=6881&uploaded=0&downloaded=0&left=0{more}"
    )
}

fn leech(more: &str) -> String {
    format!("/announce?info_hash={IH}&peer_id={PID2}&port=6882&left=1000{more}")
}

fn in_both_families(mode: &str, vector: impl Fn(&App<'_>, SocketAddr)) {
    let home = home(mode);
    let app = home.start();
    for tracker in app.tracker_http.clone() {
        vector(&app, tracker);
        let target = format!("/announce?info_hash={IH}&peer_id={PID1}&port=6881&event=stopped");
        get(tracker, &target);
        get(tracker, &leech("&event=stopped"));
    }
}

#[test]
fn h1_h2_h5_a_swarm_of_two() {
    in_both_families("public", |_, tracker| {
        let answer = get(tracker, &seed("&compact=1&event=started"));
        assert_eq!((int(&answer, "complete"), int(&answer, "incomplete")), (1, 0), "H1");
        assert!((1800..=1980).contains(&int(&answer, "interval")), "H1");
        assert_eq!(int(&answer, "min interval"), 900, "H1");
        assert_eq!(peers(&answer, tracker), [], "H1");
        let answer = get(tracker, &leech("&compact=1&event=started"));
        assert_eq!((int(&answer, "complete"), int(&answer, "incomplete")), (1, 1), "H2");
        assert_eq!(peers(&answer, tracker), [SocketAddr::new(tracker.ip(), 6881)], "H2, H5");
        if tracker.is_ipv6() {
            let Value::Text(v4) = value(&answer, "peers") else { panic!("H5: no peers") };
            assert!(v4.is_empty(), "H5");
        }
    });
}

#[test]
fn h3_h4_the_long_form_comes_when_it_is_asked_for() {
    in_both_families("public", |_, tracker| {
        get(tracker, &seed(""));
        let answer = get(tracker, &leech("&compact=0"));
        let ip = tracker.ip().to_string();
        let long = format!("5:peersld2:ip{}:{ip}7:peer id20:{PID1}4:porti6881eee", ip.len());
        assert!(answer.text().contains(&long), "H3: {}", answer.text());
        let answer = get(tracker, &leech("&compact=0&no_peer_id=1"));
        let long = format!("5:peersld2:ip{}:{ip}4:porti6881eee", ip.len());
        assert!(answer.text().contains(&long), "H3: {}", answer.text());
        dict(&answer);
        assert_eq!(peers(&get(tracker, &leech("")), tracker).len(), 1, "H4");
    });
}

#[test]
fn h6_h7_a_hash_is_20_raw_bytes_however_they_are_written() {
    in_both_families("public", |app, tracker| {
        let all_escaped: String = HEX
            .as_bytes()
            .chunks(2)
            .map(|pair| format!("%{}", str::from_utf8(pair).unwrap()))
            .collect();
        // Hex digits of either case: 0x5a is a Z.
        for form in [&all_escaped, IH, &IH.replace('V', "%56").replace("4", "%34")] {
            let target = seed("").replace(IH, form);
            assert_eq!(int(&get(tracker, &target), "complete"), 1, "H6: {form}");
        }
        assert_eq!(app.torrust("GET", "/api/torrents").json().as_array().unwrap().len(), 1, "H6");
        let plus = "+%3aabcdefghijklmnopqr";
        get(tracker, &seed("").replace(IH, plus));
        let with_plus = "2b3a6162636465666768696a6b6c6d6e6f707172";
        let rows = app.torrust("GET", "/api/torrents").json();
        assert!(rows.to_string().contains(with_plus), "H6: {rows}");
        get(tracker, &(seed("&event=stopped").replace(IH, plus)));

        for (form, text) in [
            ("%124Vx%90%124Vx%90%124Vx%90%124Vx", "Invalid info_hash"),
            ("%124Vx%90%124Vx%90%124Vx%90%124Vx%90%90", "Invalid info_hash"),
            (HEX, "Invalid info_hash"),
            ("%1", "Invalid info_hash"),
            ("", "Invalid info_hash"),
        ] {
            assert_eq!(failure(&get(tracker, &seed("").replace(IH, form))), text, "H7: {form}");
        }
        let missing = format!("/announce?peer_id={PID1}&port=6881");
        assert_eq!(failure(&get(tracker, &missing)), "Missing info_hash", "H7");
        let twice = seed(&format!("&info_hash={IH}"));
        assert_eq!(failure(&get(tracker, &twice)), "Invalid info_hash", "H7");
    });
}

#[test]
fn h8_h9_h10_wrong_values_are_refused_and_store_nothing() {
    let home = home("public");
    let app = home.start();
    for tracker in app.tracker_http.clone() {
        for (from, to) in [
            (PID1, "-XX0001-abcdefghijk"),
            (PID1, "-XX0001-abcdefghijklm"),
            (&*format!("&peer_id={PID1}"), ""),
            ("port=6881", "port=0"),
            ("port=6881", "port=65536"),
            ("port=6881", "port=-1"),
            ("port=6881", "port=abc"),
            ("&port=6881", ""),
            ("left=0", "left=-1"),
            ("left=0", "left=99999999999999999999"),
            ("uploaded=0", "uploaded=abc"),
            ("uploaded=0", "uploaded=%2b1"),
        ] {
            let answer = get(tracker, &seed("").replace(from, to));
            assert!(!failure(&answer).is_empty(), "{from} as {to}");
        }
        assert_eq!(app.torrust("GET", "/api/torrents").text(), "[]");
    }
    let tracker = app.tracker_http[0];
    let answer = get(tracker, &seed("").replace("&left=0", ""));
    assert_eq!((int(&answer, "complete"), int(&answer, "incomplete")), (0, 1), "H10");
}

#[test]
fn h11_as_many_peers_as_wished() {
    in_both_families("public", |_, tracker| {
        for port in 1..=100 {
            let target =
                format!("/announce?info_hash={IH}&peer_id=-XX0001-{port:012}&port={port}&left=1");
            get(tracker, &target);
        }
        let cap = if tracker.is_ipv4() { 74 } else { 66 };
        for (want, count) in [("0", 0), ("-1", 50), ("", 50), ("1", 1), ("999999", cap)] {
            let answer = get(tracker, &leech(&format!("&numwant={want}")));
            assert_eq!(peers(&answer, tracker).len(), count, "{want}");
        }
        for port in 1..=100 {
            let target = format!(
                "/announce?info_hash={IH}&peer_id=-XX0001-{port:012}&port={port}&event=stopped"
            );
            get(tracker, &target);
        }
    });
}

#[test]
fn h12_events_are_those_of_udp() {
    in_both_families("public", |_, tracker| {
        for event in ["started", "paused", "", "bogus", "empty"] {
            let answer = get(tracker, &leech(&format!("&event={event}")));
            assert_eq!(int(&answer, "incomplete"), 1, "{event}");
        }
        let before = int(&get(tracker, &leech("")), "downloaded");
        let complete = leech("&event=completed").replace("left=1000", "left=0");
        let answer = get(tracker, &complete);
        assert_eq!((int(&answer, "complete"), int(&answer, "downloaded")), (1, before + 1));
        let answer = get(tracker, &leech("&event=stopped"));
        assert_eq!((int(&answer, "complete"), int(&answer, "incomplete")), (0, 0));
    });
}

#[test]
fn h13_h14_h15_h16_keys_whitelist_and_scrapes() {
    in_both_families("private_listed", |app, tracker| {
        let key = app.make_key(3600);
        let dead = app.make_key(0);
        let keyed = |key: &str, target: String| target.replacen('?', &format!("/{key}?"), 1);
        app.torrust("DELETE", &format!("/api/v1/whitelist/{HEX}"));
        for wrong in [seed(""), keyed("x", seed("")), keyed(&"x".repeat(32), seed(""))] {
            assert_eq!(failure(&get(tracker, &wrong)), "Invalid key", "H13");
        }
        let unlisted = get(tracker, &keyed(&key, seed("")));
        assert_eq!(unlisted.text(), "d14:failure reason22:Torrent not authorizede", "H14");
        app.whitelist(HEX);
        assert_eq!(int(&get(tracker, &keyed(&key, seed(""))), "complete"), 1, "S10");
        // Wall time passes a key that ends at once within two seconds.
        let refused = crate::common::wait_for("an expired key is refused", || {
            let answer = get(tracker, &keyed(&dead, leech("")));
            decode(&answer.body).filter(|_| answer.text().contains("failure")).map(|_| answer)
        });
        assert_eq!(refused.text(), "d14:failure reason11:Invalid keye", "H13");

        let unknown = "%00".repeat(20);
        let scrape = format!("/scrape/{key}?info_hash={IH}&info_hash={unknown}");
        let answer = get(tracker, &scrape);
        let zeros = "d8:completei0e10:downloadedi0e10:incompletei0ee";
        let own = format!("d8:completei1e10:downloadedi0e10:incompletei{}ee", leechers(&answer));
        let mut expected = [b"d5:filesd20:".as_slice(), &[0; 20], zeros.as_bytes()].concat();
        expected.extend(b"20:\x124Vx\x90\x124Vx\x90\x124Vx\x90\x124Vx\x90");
        expected.extend([own.as_bytes(), b"ee"].concat());
        assert_eq!(answer.body, expected, "H15: {}", answer.text());
        let hidden = get(tracker, &format!("/scrape?info_hash={IH}"));
        assert!(hidden.text().contains(zeros), "H15: {}", hidden.text());
        assert_eq!(failure(&get(tracker, "/scrape")), "Missing info_hash", "H16");
        get(tracker, &keyed(&key, seed("&event=stopped")));
        get(tracker, &keyed(&key, leech("&event=stopped")));
    });
}

/// The number in the last `incomplete` of a scrape: whether the dying key let its leecher in.
fn leechers(answer: &Answer) -> String {
    let text = answer.text();
    let rest = text.rsplit("10:incompletei").next().unwrap();
    rest.split('e').next().unwrap().to_owned()
}

#[test]
fn h17_h18_h19_addresses_are_those_of_the_socket() {
    in_both_families("public", |_, tracker| {
        for more in ["&ip=8.8.8.8", "&ipv4=8.8.8.8", "&ipv6=2001:db8::8"] {
            get(tracker, &seed(more));
        }
        let (target, host) = (seed(""), tracker.to_string());
        let headers = vec![("X-Forwarded-For", "8.8.8.8".to_owned())];
        Request { target: &target, method: "GET", headers, ..Request::default() }
            .send(&host)
            .unwrap();
        let answer = get(tracker, &leech(""));
        assert_eq!(peers(&answer, tracker), [SocketAddr::new(tracker.ip(), 6881)], "H17, H18");
        let Value::Text(ip) = value(&answer, "external ip") else { panic!("H19: no bytes") };
        let own = match tracker.ip() {
            std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
            std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        assert_eq!(ip, own, "H19");
    });
}

/// H18 with a proxy that is trusted: the right-most address that is not a proxy's.
#[test]
fn h18_a_trusted_proxy_says_for_whom_it_asks() {
    let home = home("public").set("tracker.proxies", "127.0.0.0/8,::1,192.0.2.0/24");
    let app = home.start();
    for tracker in app.tracker_http.clone() {
        let asking = |target: &str, lines: &[&str]| {
            let lines = lines.iter().map(|line| ("X-Forwarded-For", (*line).to_owned()));
            let headers = lines.collect();
            Request { method: "GET", target, headers, ..Request::default() }
                .send(&tracker.to_string())
                .unwrap()
        };
        for broken in [&[][..], &["unknown"], &["8.8.8.8, x"]] {
            let text = failure(&asking(&seed(""), broken));
            assert_eq!(text, "Missing or invalid X-Forwarded-For", "{broken:?}");
        }
        asking(&seed(""), &["1.1.1.1, 198.51.100.7", "192.0.2.9"]);
        let answer = asking(&leech(""), &["198.51.100.8"]);
        let v4: SocketAddr = "198.51.100.7:6881".parse().unwrap();
        assert_eq!(peers(&answer, v4), [v4]);
        asking(&seed("&event=stopped"), &["198.51.100.7"]);
        asking(&leech("&event=stopped"), &["198.51.100.8"]);
    }
}

#[test]
fn h20_a_refusal_says_when_to_come_back() {
    let home = home("public").set("tracker.limits.swarms", 1);
    let app = home.start();
    let tracker = app.tracker_http[0];
    get(tracker, &seed(""));
    let full = get(tracker, &seed("").replace(IH, &"%07".repeat(20)));
    assert_eq!(full.text(), "d14:failure reason15:Tracker is full8:retry ini15ee");
}

#[test]
fn h21_h22_only_get_and_head_and_no_endless_queries() {
    in_both_families("public", |_, tracker| {
        let (target, host) = (seed(""), tracker.to_string());
        for method in ["POST", "PUT", "DELETE"] {
            let request = Request { method, target: &target, ..Request::default() };
            assert_eq!(request.send(&host).unwrap().status, 405, "H21: {method}");
        }
        assert_eq!(failure(&get(tracker, "/announce")), "Missing port", "nothing was stored");
        let long = seed(&"&x=y".repeat(2048));
        assert_eq!(int(&get(tracker, &long), "complete"), 1, "H22");
        let endless = seed(&"&x=y".repeat(16_384));
        let request = Request { method: "GET", target: &endless, ..Request::default() };
        // The server may close before it has read all that is sent.
        if let Ok(answer) = request.send(&host) {
            assert!([400, 414, 431].contains(&answer.status), "H22: {}", answer.status);
        }
    });
}

#[test]
fn h23_a_connection_serves_many_announces() {
    in_both_families("public", |_, tracker| {
        let mut stream = TcpStream::connect(tracker).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", seed(""));
        for number in 0..100 {
            stream.write_all(request.as_bytes()).unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 1024];
            while !got.ends_with(b"e") || !got.windows(4).any(|window| window == b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "closed after {number}");
                got.extend_from_slice(&buffer[..count]);
            }
            assert!(got.starts_with(b"HTTP/1.1 200"));
        }
    });
}

#[test]
fn h24_a_scrape_of_very_many_is_cut() {
    in_both_families("public", |_, tracker| {
        let hash = |number: u32| -> String {
            let [a, b, c, d] = number.to_be_bytes();
            format!("info_hash=%{a:02x}%{b:02x}%{c:02x}%{d:02x}{}", "%aa".repeat(16))
        };
        // As many as fit below the limit of a request's head.
        let query: Vec<String> = (0..400).map(hash).collect();
        let answer = get(tracker, &format!("/scrape?{}", query.join("&")));
        let Value::Dict(files) = value(&answer, "files") else { panic!("no files") };
        assert_eq!(files.len(), 64);
    });
}

/// H25, and rule T8.
#[test]
fn h25_every_answer_is_one_whole_dictionary() {
    let home = home("public");
    let app = home.start();
    let tracker = app.tracker_http[0];
    let mut random = Random::announced("h25");
    let alphabet = b"%&=+0123456789abcdefXYZ-._~!*infohashpeer_idportleft";
    for round in 0..1500 {
        let mut target = if round % 3 == 0 { leech("&compact=0") } else { seed("&numwant=9") };
        if round % 5 == 0 {
            target = target.replacen("announce", "scrape", 1);
        }
        let mut bytes = target.into_bytes();
        for _ in 0..round % 6 {
            let at = "/announce?".len() + random.below(bytes.len() as u64 - 20) as usize;
            bytes[at] = alphabet[random.below(alphabet.len() as u64) as usize];
        }
        let target = String::from_utf8(bytes).unwrap();
        let answer = get(tracker, &target);
        assert!(
            matches!(decode(&answer.body), Some(Value::Dict(_))),
            "{target}: {}",
            answer.text()
        );
    }
}

/// The API's own listener is a tracker too; paths that are none stay with the API.
#[test]
fn the_apis_listener_takes_announces_without_a_token() {
    let home = home("public");
    let app = home.start();
    let request = Request { method: "GET", target: &seed(""), ..Request::default() };
    let answer = request.send(&app.api.host).unwrap();
    assert_eq!(int(&answer, "complete"), 1);
    let elsewhere = Request { method: "GET", target: "/announce/a/b", ..Request::default() };
    assert_eq!(elsewhere.send(&app.api.host).unwrap().status, 404);
    assert_eq!(get(app.tracker_http[0], "/announce/a/b").status, 404);
}
