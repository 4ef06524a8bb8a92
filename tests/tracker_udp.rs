//! The UDP tracker over real sockets, IPv4 and IPv6: the vectors U1 to U38.

use std::cell::RefCell;
use std::net::SocketAddr;

use crate::common::announcer::Announcer;
use crate::common::announcer::IH;
use crate::common::announcer::PID1;
use crate::common::announcer::PID2;
use crate::common::announcer::UdpAnnounce;
use crate::common::announcer::connect_request;
use crate::common::announcer::leech;
use crate::common::announcer::path_option;
use crate::common::announcer::seed;
use crate::common::app::App;
use crate::common::app::Home;
use crate::common::http::Request;
use crate::common::machine::is_root;
use crate::common::process::skip;
use crate::common::random::Random;
use crate::common::raw_udp;

fn home(mode: &str) -> Home {
    Home::new().set("tracker.mode", mode).set("tracker.udp.bind", "127.0.0.1:0,[::1]:0")
}

/// Runs a vector once for each address family, each time in a swarm of its own.
fn in_both_families(app: &App<'_>, vector: impl Fn(SocketAddr, [u8; 20])) {
    for (number, tracker) in app.tracker_udp.iter().enumerate() {
        let mut hash = IH;
        hash[0] = number as u8;
        vector(*tracker, hash);
    }
}

fn in_swarm(info_hash: [u8; 20], announce: UdpAnnounce) -> UdpAnnounce {
    UdpAnnounce { info_hash, ..announce }
}

fn at(tracker: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(tracker.ip(), port)
}

#[test]
fn u1_to_u4_connect_answers_what_is_right_and_nothing_else() {
    let home = home("public");
    let app = home.start();
    let log = app.log();
    in_both_families(&app, |tracker, _| {
        let asker = Announcer::unconnected(tracker.ip(), tracker);
        let request = connect_request(0xdead_beef);
        let answer = asker.ask(&request);
        assert_eq!((answer.len(), &answer[..8]), (16, &request[8..]), "U1");
        let longer = asker.ask(&[&request[..], b"x"].concat());
        assert_eq!((longer.len(), &longer[..8]), (16, &request[8..]), "U2");
        for length in [0, 1, 8, 11, 15] {
            assert_eq!(asker.try_ask(&request[..length]), None, "U3: {length} bytes");
        }
        assert_eq!(asker.try_ask(&[0; 16]), None, "U4");
    });
    assert_eq!(app.log(), log, "U3: no log line");
}

#[test]
fn u5_u6_u7_u9_a_swarm_of_two() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let (first, second) = (Announcer::new(tracker), Announcer::new(tracker));
        assert_eq!(first.scrape(hash), (0, 0, 0), "U9");
        let answer = first.announce(&in_swarm(hash, seed(6881, PID1)));
        assert_eq!((answer.leechers, answer.seeders, answer.peers), (0, 1, vec![]), "U5");
        assert!((1800..=1980).contains(&answer.interval), "S11: {}", answer.interval);
        let answer = second.announce(&in_swarm(hash, leech(6882, PID2)));
        assert_eq!((answer.leechers, answer.seeders), (1, 1), "U6");
        assert_eq!(answer.peers, [at(tracker, 6881)], "U6");
        assert_eq!(first.scrape(hash), (1, 0, 1), "U7");
    });
}

#[test]
fn u8_u10_u11_scrapes_of_many_of_none_and_of_a_part() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        for (count, size) in [(1, 20), (74, 896), (75, 896), (90, 896)] {
            let answer = asker.ask(&asker.scrape_packet(&vec![hash; count]));
            assert_eq!(answer.len(), size, "U8: {count}");
            assert_eq!(answer[3], 2);
        }
        let answer = asker.ask(&asker.scrape_packet(&[]));
        assert_eq!(answer[..8], [0, 0, 0, 3, 0, 0, 0, 0x21], "U10");
        let part = [asker.scrape_packet(&[hash]), vec![1; 7]].concat();
        assert_eq!(asker.ask(&part).len(), 20, "U11");
    });
}

#[test]
fn u12_u13_u14_u18_what_is_wrong_stores_nothing() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let mut asker = Announcer::new(tracker);
        let right = asker.packet(&in_swarm(hash, seed(6881, PID1)));
        assert_eq!(asker.try_ask(&right[..97]), None, "U12");
        let good = asker.connection;
        let mut flipped = good;
        flipped[7] ^= 1;
        for wrong in [[0; 8], *b"\0\0\x04\x17\x27\x10\x19\x80", flipped] {
            asker.connection = wrong;
            assert_eq!(asker.try_ask(&asker.packet(&in_swarm(hash, seed(1, PID1)))), None, "U13");
        }
        asker.connection = good;
        for action in [3u32, 4, u32::MAX] {
            let packet = [&good[..], &action.to_be_bytes(), &[0; 4]].concat();
            assert_eq!(asker.try_ask(&packet), None, "U18");
        }
        assert_eq!(asker.scrape(hash), (0, 0, 0));
    });
    let tracker = app.tracker_udp[0];
    let owner = Announcer::new(tracker);
    let mut thief = Announcer::unconnected([127, 0, 0, 2].into(), tracker);
    thief.connection = owner.connection;
    assert_eq!(thief.try_ask(&thief.packet(&seed(6881, PID1))), None, "U14");
    assert_eq!(owner.scrape(IH), (0, 0, 0), "U14");
}

#[test]
fn u15_one_connection_id_serves_many_swarms() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, _| {
        let asker = Announcer::new(tracker);
        for number in 0..50 {
            let answer = asker.announce(&in_swarm([number; 20], seed(6881, PID1)));
            assert!(answer.seeders >= 1);
        }
    });
}

#[test]
fn u17_connection_ids_do_not_survive_a_restart() {
    let home = home("public");
    let app = home.start();
    let mut asker = Announcer::new(app.tracker_udp[0]);
    let old = asker.connection;
    app.stop();
    let app = home.start();
    asker = Announcer::new(app.tracker_udp[0]);
    assert_ne!(asker.connection, old);
    asker.connection = old;
    assert_eq!(asker.try_ask(&asker.packet(&seed(6881, PID1))), None);
}

#[test]
fn u19_u20_u23_u24_strange_values_are_taken_for_what_they_are() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        for event in [4, 5, 99, u32::MAX] {
            let answer = asker.announce(&UdpAnnounce { event, ..in_swarm(hash, leech(5, PID1)) });
            assert_eq!((answer.leechers, answer.seeders), (1, 0), "U19: {event}");
        }
        let refused = asker.try_announce(&in_swarm(hash, seed(0, PID2)));
        assert_eq!(refused, Err("Invalid port".into()), "U20");
        for left in [u64::MAX, 1 << 63] {
            let answer = asker.announce(&UdpAnnounce { left, ..in_swarm(hash, leech(6, PID2)) });
            assert_eq!((answer.leechers, answer.seeders), (2, 0), "U23");
        }
        asker.announce(&UdpAnnounce { ip: 0x0808_0808, ..in_swarm(hash, seed(7, PID2)) });
        let told = asker.announce(&in_swarm(hash, leech(5, PID1))).peers;
        assert!(told.contains(&at(tracker, 7)), "U24: {told:?}");
        assert!(told.iter().all(|peer| peer.ip() == tracker.ip() && peer.port() != 0));
    });
}

/// Such a datagram has nobody who could be answered; only a raw socket sends one.
#[test]
fn u21_a_datagram_from_port_0_is_dropped() {
    if !is_root() {
        return skip("u21_a_datagram_from_port_0_is_dropped", "root", false);
    }
    // One worker, so that what was sent first is read first.
    let home = home("public").set("tracker.udp.workers", 1);
    let app = home.start();
    in_both_families(&app, |tracker, _| {
        let family = if tracker.is_ipv4() { "udp4" } else { "udp6" };
        let connected = || {
            let stats = app.torrust("GET", "/api/v1/stats").json();
            stats[format!("{family}_connections_handled")].as_u64().expect("a count")
        };
        let asker = Announcer::unconnected(tracker.ip(), tracker);
        raw_udp::send(7, tracker, &connect_request(1)).unwrap();
        asker.ask(&connect_request(2));
        // `ask` sends a connect request of its own behind it.
        assert_eq!(connected(), 3, "the one from port 7 was answered");
        raw_udp::send(0, tracker, &connect_request(3)).unwrap();
        asker.ask(&connect_request(4));
        assert_eq!(connected(), 5, "the one from port 0 was not");
    });
}

#[test]
fn u22_as_many_peers_as_wished_and_never_more_than_a_datagram_carries() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        for port in 1..=200u16 {
            let mut peer_id = PID1;
            peer_id[18..].copy_from_slice(&port.to_be_bytes());
            asker.announce(&UdpAnnounce { want: 0, ..in_swarm(hash, leech(port, peer_id)) });
        }
        let cap = if tracker.is_ipv4() { 74 } else { 66 };
        for (want, count) in
            [(0, 0), (1, 1), (u32::MAX, 50), (0x7fff_ffff, cap), (0x8000_0000, cap)]
        {
            let told = asker.announce(&UdpAnnounce { want, ..in_swarm(hash, leech(999, PID2)) });
            assert_eq!(told.peers.len(), count, "{want:x}");
        }
    });
}

#[test]
fn u25_to_u31_completed_stopped_restarted_and_neighbours() {
    let home = home("public");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        let tell = |event, announce| UdpAnnounce { event, ..in_swarm(hash, announce) };
        asker.announce(&tell(3, leech(1, PID1)));
        assert_eq!(asker.scrape(hash), (0, 0, 0), "U28");
        asker.announce(&tell(2, leech(1, PID1)));
        for _ in 0..2 {
            asker.announce(&tell(1, seed(1, PID1)));
        }
        assert_eq!(asker.scrape(hash), (1, 1, 0), "U25");
        asker.announce(&tell(1, seed(2, PID2)));
        assert_eq!(asker.scrape(hash), (2, 2, 0), "U26");
        asker.announce(&tell(0, seed(2, *b"-XX0001-000000000003")));
        assert_eq!(asker.scrape(hash), (2, 2, 0), "U30");
        let told = asker.announce(&tell(0, leech(3, PID2))).peers;
        assert_eq!(told.len(), 2, "U31: {told:?}");
        asker.announce(&tell(3, leech(3, PID2)));
        assert_eq!(asker.scrape(hash), (2, 2, 0), "U27");
    });
    let tracker = app.tracker_udp[0];
    let hash = [0xab; 20];
    let (owner, stranger) =
        (Announcer::new(tracker), Announcer::from([127, 0, 0, 2].into(), tracker));
    owner.announce(&in_swarm(hash, seed(1, PID1)));
    stranger.announce(&UdpAnnounce { event: 3, ..in_swarm(hash, seed(1, PID1)) });
    assert_eq!(owner.scrape(hash), (1, 0, 0), "U29");
}

#[test]
fn u32_to_u35_keys_come_as_the_path_of_the_url() {
    let home = home("private");
    let app = home.start();
    let key = app.make_key(3600);
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        let with = |options: Vec<u8>| UdpAnnounce { options, ..in_swarm(hash, seed(1, PID1)) };
        for options in [
            vec![],
            path_option("/announce"),
            path_option(&format!("/announce/{}", "x".repeat(32))),
            vec![2, 0xff, b'/', b'a'],
            vec![2],
        ] {
            let refused = asker.try_announce(&with(options.clone()));
            assert_eq!(refused, Err("Invalid key".into()), "U34, U35: {options:?}");
        }
        let path = format!("/announce/{key}");
        let (first, rest) = path.split_at(5);
        for options in [
            path_option(&path),
            [path_option(&path), vec![0]].concat(),
            path_option(&format!("/{key}")),
            [path_option(first), vec![1], path_option(rest)].concat(),
        ] {
            assert_eq!(asker.announce(&with(options.clone())).seeders, 1, "U32: {options:?}");
        }
        assert_eq!(asker.scrape(hash), (0, 0, 0), "U35: no numbers without a key");
    });
    app.remove_key(&key);
    let asker = Announcer::new(app.tracker_udp[0]);
    let path = path_option(&format!("/{key}"));
    let refused = asker.try_announce(&UdpAnnounce { options: path, ..seed(1, PID1) });
    assert_eq!(refused, Err("Invalid key".into()), "S10");
}

/// On a socket of every address the answer comes from the one that was asked: a connected socket,
/// such as all of these are, hears no other.
#[test]
fn u37_answers_come_from_the_address_that_was_asked() {
    let home = Home::new()
        .set("tracker.mode", "public")
        .set("tracker.udp.bind", "0.0.0.0:0,[::]:0")
        .set("tracker.udp.workers", 2);
    let app = home.start();
    let [v4, v6] = app.tracker_udp[..] else { panic!("two addresses") };
    for ip in ["127.0.0.1", "127.0.0.9", "127.5.5.5"] {
        let tracker = SocketAddr::new(ip.parse().unwrap(), v4.port());
        let asker = Announcer::from([127, 0, 0, 1].into(), tracker);
        // The port that is announced is not where the answer goes.
        assert_eq!(asker.announce(&seed(9, PID1)).seeders, 1, "{ip}");
    }
    let asker = Announcer::new(SocketAddr::new("::1".parse().unwrap(), v6.port()));
    assert_eq!(asker.announce(&leech(9, PID2)).leechers, 1);
}

#[test]
fn u38_s1_both_protocols_share_one_store() {
    let home = home("public").set("tracker.http.bind", "127.0.0.1:0,[::1]:0");
    let app = home.start();
    in_both_families(&app, |tracker, hash| {
        let asker = Announcer::new(tracker);
        asker.announce(&in_swarm(hash, seed(6881, PID1)));
        let http = app.tracker_http.iter().find(|http| http.is_ipv4() == tracker.is_ipv4());
        let http = http.unwrap().to_string();
        let escaped: String = hash.iter().map(|byte| format!("%{byte:02x}")).collect();
        let target =
            format!("/announce?info_hash={escaped}&peer_id=-XX0001-000000000002&port=6882&left=1");
        let answer = Request { method: "GET", target: &target, ..Default::default() };
        let body = answer.send(&http).unwrap().body;
        let port = 6881u16.to_be_bytes();
        assert!(body.windows(2).any(|window| window == port), "{body:?}");
        let told = asker.announce(&in_swarm(hash, seed(6881, PID1))).peers;
        assert_eq!(told, [at(tracker, 6882)]);
        assert_eq!(asker.scrape(hash), (1, 0, 1));
    });
}

/// Rule D13, and a port that is free is not taken twice.
#[test]
fn d13_a_port_in_use_is_named() {
    let home = home("public");
    let app = home.start();
    let taken = app.tracker_udp[0];
    let other = Home::new().set("tracker.udp.bind", taken).set("tracker.udp.workers", 4);
    let (status, log) = other.try_start().err().expect("the port is in use");
    assert_eq!(status.code(), Some(5), "{log}");
    assert!(log.contains("tracker.udp.bind") && log.contains(&taken.to_string()), "{log}");
}

/// Rule T8: nothing that can be sent stops the tracker or fills the log.
#[test]
fn t8_random_datagrams_do_no_harm() {
    let home = home("public");
    let app = home.start();
    let random = RefCell::new(Random::announced("t8"));
    in_both_families(&app, |tracker, _| {
        let mut random = random.borrow_mut();
        let asker = Announcer::new(tracker);
        let mut right = asker.packet(&seed(1, PID1));
        right.extend([2, 3, 0x2f, 0x61, 0x62]);
        for round in 0..2000 {
            let mut packet = right.clone();
            for _ in 0..round % 7 {
                let at = random.below(packet.len() as u64) as usize;
                packet[at] = random.below(256) as u8;
            }
            packet.truncate(random.below(packet.len() as u64 + 1) as usize);
            asker.try_ask(&packet);
        }
        assert_eq!(asker.ask(&connect_request(5)).len(), 16);
    });
    assert!(app.log().lines().count() < 40, "{}", app.log());
}
