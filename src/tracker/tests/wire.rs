//! Datagrams byte by byte (BEP 15, BEP 41).

use proptest::prelude::*;

use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmCounts;
use crate::tracker::udp_wire;
use crate::tracker::udp_wire::Request;
use crate::tracker::udp_wire::url_data;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Vector U5.
const ANNOUNCE: &str = "c1c2c3c4c5c6c7c8 00000001 00000011
    1234567890123456789012345678901234567890 2d5858303030312d6162636465666768696a6b6c
    0000000000000000 0000000000000000 0000000000000000 00000002 00000000 0a0b0c0d ffffffff 1ae1";

#[test]
fn u1_u2_a_connect_request_may_be_longer_and_its_answer_is_not() {
    for tail in ["", "78"] {
        let packet = bytes(&format!("0000041727101980 00000000 deadbeef {tail}"));
        assert_eq!(Request::parse(&packet), Some(Request::Connect { transaction: 0xdead_beef }));
    }
    let mut out = vec![1, 2, 3];
    udp_wire::connected(&mut out, 0xdead_beef, 0xc1c2_c3c4_c5c6_c7c8);
    assert_eq!(out, bytes("00000000 deadbeef c1c2c3c4c5c6c7c8"));
}

#[test]
fn u3_u4_u12_u18_what_is_no_request_is_none() {
    let connect = bytes("0000041727101980 00000000 deadbeef");
    for length in [0, 1, 8, 11, 15] {
        assert_eq!(Request::parse(&connect[..length]), None);
    }
    assert_eq!(Request::parse(&bytes("0000000000000000 00000000 00000009")), None);
    assert_eq!(Request::parse(&bytes(ANNOUNCE)[..97]), None);
    for action in ["00000003", "00000004", "ffffffff"] {
        assert_eq!(Request::parse(&bytes(&format!("c1c2c3c4c5c6c7c8 {action} 0000000b"))), None);
    }
}

#[test]
fn u5_an_announce_is_read_field_by_field() {
    let mut packet = bytes(ANNOUNCE);
    packet[56..80].copy_from_slice(&bytes("0000000000000001 0000000000000002 0000000000000003"));
    let Some(Request::Announce(announce)) = Request::parse(&packet) else { panic!("no announce") };
    assert_eq!(announce.connection, 0xc1c2_c3c4_c5c6_c7c8);
    assert_eq!(announce.transaction, 0x11);
    assert_eq!(announce.info_hash, super::IH);
    assert_eq!(announce.peer_id, super::PID1);
    assert_eq!((announce.downloaded, announce.left, announce.uploaded), (1, 2, 3));
    assert_eq!(announce.event, AnnounceEvent::Started);
    assert_eq!((announce.want, announce.port), (None, 6881));
    assert!(announce.options.is_empty());
    packet[92..96].copy_from_slice(&[0x80, 0, 0, 0]);
    let Some(Request::Announce(announce)) = Request::parse(&packet) else { panic!("no announce") };
    assert_eq!(announce.want, Some(0x8000_0000), "U22");
}

#[test]
fn u6_u7_answers_have_the_order_of_the_protocol() {
    let mut out = Vec::new();
    udp_wire::begin_announced(&mut out, 0x12);
    out.extend_from_slice(&bytes("7f0000011ae1"));
    udp_wire::finish_announced(&mut out, 1800, 1, 2);
    assert_eq!(out, bytes("00000001 00000012 00000708 00000001 00000002 7f000001 1ae1"));
    udp_wire::begin_scraped(&mut out, 0x21);
    udp_wire::add_scraped(&mut out, SwarmCounts { seeders: 1, completed: 2, leechers: 3 });
    assert_eq!(out, bytes("00000002 00000021 00000001 00000002 00000003"));
    udp_wire::error(&mut out, 0x11, "Invalid key");
    assert_eq!(out, bytes("00000003 00000011 496e76616c6964206b6579"));
}

#[test]
fn u11_the_rest_of_a_hash_is_no_hash() {
    let packet = [bytes("c1c2c3c4c5c6c7c8 00000002 00000021"), vec![7; 27]].concat();
    let Some(Request::Scrape { hashes, .. }) = Request::parse(&packet) else { panic!("no scrape") };
    assert_eq!(hashes, [[7; 20]]);
}

const KEY_PATH: &str = "2f616e6e6f756e63652f32636a766d7859547a47314553694a4253416e3564784e6f726e5842354365\
    44";

#[test]
fn u32_u33_the_key_is_the_last_part_of_the_path_in_however_many_pieces() {
    let whole = format!("02 2a {KEY_PATH}");
    let (first, rest) = KEY_PATH.split_at(10);
    let split = format!("02 05 {first} 01 02 25 {rest}");
    for options in [whole.clone(), format!("{whole} 00"), format!("01 01 {whole}"), split] {
        let path = url_data(&bytes(&options));
        assert_eq!(path.key(), Some(super::KEY.as_bytes()), "{options}");
    }
    for (path, key) in [
        ("/2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD", super::KEY),
        ("/announce/2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD?x=1/2", super::KEY),
        ("/announce/2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD/", super::KEY),
        ("/announce", "announce"),
    ] {
        let options = [&[2, path.len() as u8], path.as_bytes()].concat();
        assert_eq!(url_data(&options).key(), Some(key.as_bytes()), "{path}");
    }
}

#[test]
fn u34_broken_options_end_what_can_be_read() {
    for options in ["02 ff 2f61", "02", "7f 01", "00 02 02 2f61", ""] {
        assert_eq!(url_data(&bytes(options)).as_bytes(), b"", "{options}");
    }
    assert_eq!(
        url_data(&bytes("7f 01 00 02 02 2f61")).as_bytes(),
        b"/a",
        "an unknown one is passed"
    );
    assert_eq!(url_data(&bytes("02 02 2f61 02 09 62")).as_bytes(), b"/a");
    let long = [&[2, 255][..], &[b'a'; 255], &[2, 255], &[b'b'; 255]].concat();
    assert_eq!(url_data(&long).as_bytes().len(), 96);
}

proptest! {
    #[test]
    fn no_datagram_is_too_strange(
        packet in prop::collection::vec(any::<u8>(), 0..300),
        action in 0u8..4,
    ) {
        let mut packet = packet;
        if packet.len() > 11 {
            packet[8..12].copy_from_slice(&[0, 0, 0, action]);
        }
        if let Some(Request::Announce(announce)) = Request::parse(&packet) {
            let _ = url_data(announce.options).key();
        }
        let _ = url_data(&packet);
    }
}
