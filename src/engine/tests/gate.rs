//! Members only: who is none gets no byte, over connections of either direction.

use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use super::rig::Rig;
use super::rig::SEEDING;
use super::rig::again;
use super::rig::author;
use super::rig::make_share;
use super::rig::request;
use crate::domain::access::Admission;
use crate::engine::ffi::bridge::TorrentLimits;
use crate::engine::waker::Farewell;
use crate::engine::waker::Judge;

const LIMIT: Duration = Duration::from_secs(60);

/// A door that opens to members while `lets_in` says that all are.
fn door(lets_in: &Arc<AtomicBool>) -> Judge {
    let lets_in = Arc::clone(lets_in);
    Arc::new(move |_, remote, local| {
        // Of a connection that we are only making, our own address is not known.
        assert!(remote.is_loopback() && (local.is_loopback() || local.is_unspecified()));
        if lets_in.load(Ordering::SeqCst) { Admission::Member } else { Admission::Stranger }
    })
}

/// A seeder behind a door, with its torrent at token 1.
fn closed_seeder(lets_in: &Arc<AtomicBool>) -> (Rig, [u8; 20]) {
    let mut rig = Rig::judged_by(door(lets_in), &[]);
    let mut params = author(&request(&make_share(rig.path()), true, false));
    let hash = params.describe().unwrap().hashes.v1;
    params.pin_mut().set_options(&rig.options()).unwrap();
    rig.add(params, 1);
    rig.wait_for_stage(1, SEEDING);
    (rig, hash)
}

/// Everything that comes back on a handshake for `hash`, until the other side is done or has sent
/// a whole handshake.
fn answer_to_handshake(stream: &mut TcpStream, hash: [u8; 20]) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let hello =
        [&b"\x13BitTorrent protocol"[..], &[0; 8], &hash, b"-XX0001-outsideroutsi"].concat();
    stream.write_all(&hello[..68]).unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 68];
    while got.len() < 68 {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => got.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    got
}

/// Issue 5: an outsider who knows info-hash, address and port gets nothing, not even an answer to
/// the handshake.
#[test]
fn a_stranger_gets_no_byte_and_a_member_does() {
    let lets_in = Arc::new(AtomicBool::new(false));
    let (mut seeder, hash) = closed_seeder(&lets_in);
    let address = ("127.0.0.1", seeder.port());
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).unwrap();
        assert_eq!(answer_to_handshake(&mut stream, hash), b"");
    }
    lets_in.store(true, Ordering::SeqCst);
    let mut stream = TcpStream::connect(address).unwrap();
    let answer = answer_to_handshake(&mut stream, hash);
    assert_eq!((answer.len(), &answer[28..48]), (68, &hash[..]));
}

/// Issue 5: neither does our side call a stranger and tell who we are.
#[test]
fn a_stranger_that_is_called_hears_nothing() {
    let lets_in = Arc::new(AtomicBool::new(false));
    let (mut seeder, _) = closed_seeder(&lets_in);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    seeder.session.pin_mut().connect_peer(1, "127.0.0.1", port).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(got, b"");
}

/// Issue 5: a member that is none any more is out within two seconds, and stays out.
#[test]
fn who_was_a_member_is_disconnected() {
    let lets_in = Arc::new(AtomicBool::new(true));
    let (mut seeder, hash) = closed_seeder(&lets_in);
    let slow = TorrentLimits { download: 0, upload: 20_000, connections: 0, uploads: 0 };
    seeder.session.pin_mut().set_limits(1, &slow).unwrap();
    let mut leecher = Rig::new();
    let params = author(&request(&seeder.path().join("share"), true, false));
    leecher.add(again(&params, &leecher.options()), 1);
    let port = seeder.port();
    leecher.session.pin_mut().connect_peer(1, "127.0.0.1", port).unwrap();
    leecher.wait_for_status(1, |status| status.session_download > 0);

    lets_in.store(false, Ordering::SeqCst);
    let begin = Instant::now();
    seeder.session.pin_mut().judge_again(1).unwrap();
    seeder.wait("an empty house", |rig| rig.session.peers(1).unwrap().is_empty().then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(answer_to_handshake(&mut stream, hash), b"");
}

/// Issue 5, accounting: what passed over a connection is told when it ends, to the byte.
#[test]
fn a_connection_that_ends_tells_how_much_passed() {
    let judge: Judge = Arc::new(|_, _, _| Admission::Guest);
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let farewell: Farewell = Arc::new(move |ended| tell.lock().unwrap().send(ended).unwrap());
    let mut seeder = Rig::watched_by(judge, farewell, &[]);
    let params = author(&request(&make_share(seeder.path()), true, false));
    let hash = params.describe().unwrap().hashes.v1;
    seeder.add(again(&params, &seeder.options()), 1);
    seeder.wait_for_stage(1, SEEDING);
    let mut leecher = Rig::new();
    leecher.add(again(&params, &leecher.options()), 1);
    leecher.fetch_from(&mut seeder, 1);
    drop(leecher);
    let ended = told.recv_timeout(LIMIT).unwrap();
    // The bytes of the three files, and none of the protocol's.
    assert_eq!((ended.torrent.0, ended.sent, ended.received), (hash, 350_006, 0));
    assert!(ended.address.ip().is_loopback() && ended.peer_id != [0; 20]);
}

/// A session with a door serves torrents that are for everybody as before.
#[test]
fn an_open_torrent_is_open() {
    let judge: Judge = Arc::new(|_, _, _| Admission::Open);
    let mut seeder = Rig::judged_by(judge, &[]);
    let params = author(&request(&make_share(seeder.path()), true, true));
    seeder.add(again(&params, &seeder.options()), 1);
    seeder.wait_for_stage(1, SEEDING);
    let mut leecher = Rig::new();
    leecher.add(again(&params, &leecher.options()), 1);
    leecher.fetch_from(&mut seeder, 1);
}
