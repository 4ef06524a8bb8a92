//! A UDP tracker client that sends exactly what a test says (BEP 15).

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use crate::common::DEADLINE;

/// The info-hash of the vectors.
pub(crate) const IH: [u8; 20] = *b"\x124Vx\x90\x124Vx\x90\x124Vx\x90\x124Vx\x90";
/// The peers of the vectors.
pub(crate) const PID1: [u8; 20] = *b"-XX0001-abcdefghijkl";
pub(crate) const PID2: [u8; 20] = *b"-XX0001-000000000002";

/// The transaction of the request that ends a silence.
const MARKER: u32 = 0x7e57_7e57;

/// One socket that asks one tracker.
pub(crate) struct Announcer {
    socket: UdpSocket,
    pub(crate) connection: [u8; 8],
}

/// An announce, ready to be changed.
#[derive(Clone)]
pub(crate) struct UdpAnnounce {
    pub(crate) info_hash: [u8; 20],
    pub(crate) peer_id: [u8; 20],
    pub(crate) left: u64,
    pub(crate) event: u32,
    pub(crate) ip: u32,
    pub(crate) want: u32,
    pub(crate) port: u16,
    pub(crate) options: Vec<u8>,
}

/// The decoded answer to an announce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) interval: u32,
    pub(crate) leechers: u32,
    pub(crate) seeders: u32,
    pub(crate) peers: Vec<SocketAddr>,
}

/// A seeder that starts: vector U5.
pub(crate) fn seed(port: u16, peer_id: [u8; 20]) -> UdpAnnounce {
    UdpAnnounce {
        info_hash: IH,
        peer_id,
        left: 0,
        event: 2,
        ip: 0,
        want: u32::MAX,
        port,
        options: Vec::new(),
    }
}

/// A leecher that starts: vector U6.
pub(crate) fn leech(port: u16, peer_id: [u8; 20]) -> UdpAnnounce {
    UdpAnnounce { left: 1000, ..seed(port, peer_id) }
}

/// BEP 41 options that carry a path.
pub(crate) fn path_option(path: &str) -> Vec<u8> {
    [&[2, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat()
}

impl Announcer {
    /// A socket on the tracker's own address, with a fresh connection id.
    pub(crate) fn new(tracker: SocketAddr) -> Self {
        Self::from(tracker.ip(), tracker)
    }

    /// As [`Announcer::new`], from another address of this machine.
    pub(crate) fn from(source: IpAddr, tracker: SocketAddr) -> Self {
        let mut announcer = Self::unconnected(source, tracker);
        announcer.connect();
        announcer
    }

    /// Without a connection id.
    pub(crate) fn unconnected(source: IpAddr, tracker: SocketAddr) -> Self {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(tracker).unwrap();
        Self { socket, connection: [0; 8] }
    }

    pub(crate) fn connect(&mut self) {
        let answer = self.ask(&connect_request(1));
        assert_eq!((answer.len(), &answer[..8]), (16, &[0, 0, 0, 0, 0, 0, 0, 1][..]));
        self.connection.copy_from_slice(&answer[8..]);
    }

    /// Sends what must be answered.
    #[track_caller]
    pub(crate) fn ask(&self, packet: &[u8]) -> Vec<u8> {
        self.try_ask(packet).expect("an answer")
    }

    /// Sends a packet, and behind it a request that is always answered: when that answer comes
    /// first, there was none to the packet.
    pub(crate) fn try_ask(&self, packet: &[u8]) -> Option<Vec<u8>> {
        self.socket.send(packet).unwrap();
        self.socket.send(&connect_request(MARKER)).unwrap();
        let first = self.receive();
        if is_marker(&first) {
            return None;
        }
        assert!(is_marker(&self.receive()), "one answer to one packet");
        Some(first)
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("the tracker answers");
        buffer[..length].to_vec()
    }

    /// The bytes of an announce with this socket's connection id.
    pub(crate) fn packet(&self, announce: &UdpAnnounce) -> Vec<u8> {
        let mut packet = [&self.connection[..], &[0, 0, 0, 1, 0, 0, 0, 0x11]].concat();
        packet.extend(announce.info_hash);
        packet.extend(announce.peer_id);
        for number in [0, announce.left, 0] {
            packet.extend(number.to_be_bytes());
        }
        for number in [announce.event, announce.ip, 0x0a0b_0c0d, announce.want] {
            packet.extend(number.to_be_bytes());
        }
        packet.extend(announce.port.to_be_bytes());
        packet.extend(&announce.options);
        packet
    }

    /// Announces; an error's text, if it is refused.
    pub(crate) fn try_announce(&self, announce: &UdpAnnounce) -> Result<Answered, String> {
        let answer = self.ask(&self.packet(announce));
        assert_eq!(answer[4..8], [0, 0, 0, 0x11], "the transaction");
        let number = |at: usize| u32::from_be_bytes(answer[at..at + 4].try_into().unwrap());
        if number(0) == 3 {
            return Err(String::from_utf8(answer[8..].to_vec()).unwrap());
        }
        assert_eq!(number(0), 1);
        let is_v4 = self.socket.local_addr().unwrap().is_ipv4();
        let size = if is_v4 { 6 } else { 18 };
        assert_eq!((answer.len() - 20) % size, 0, "whole peers");
        let peers = answer[20..].chunks(size).map(endpoint).collect();
        Ok(Answered { interval: number(8), leechers: number(12), seeders: number(16), peers })
    }

    /// Announces what must be accepted.
    #[track_caller]
    pub(crate) fn announce(&self, announce: &UdpAnnounce) -> Answered {
        self.try_announce(announce).expect("an announce that is accepted")
    }

    /// The bytes of a scrape.
    pub(crate) fn scrape_packet(&self, hashes: &[[u8; 20]]) -> Vec<u8> {
        let head = [&self.connection[..], &[0, 0, 0, 2, 0, 0, 0, 0x21]].concat();
        [head, hashes.concat()].concat()
    }

    /// Seeders, completed and leechers of a swarm.
    #[track_caller]
    pub(crate) fn scrape(&self, hash: [u8; 20]) -> (u32, u32, u32) {
        let answer = self.ask(&self.scrape_packet(&[hash]));
        assert_eq!((answer.len(), &answer[..8]), (20, &[0, 0, 0, 2, 0, 0, 0, 0x21][..]));
        let number = |at: usize| u32::from_be_bytes(answer[at..at + 4].try_into().unwrap());
        (number(8), number(12), number(16))
    }
}

pub(crate) fn connect_request(transaction: u32) -> Vec<u8> {
    let magic = 0x0417_2710_1980_u64.to_be_bytes();
    [&magic[..], &[0; 4], &transaction.to_be_bytes()].concat()
}

fn is_marker(answer: &[u8]) -> bool {
    answer.len() == 16 && answer[..8] == [[0; 4], MARKER.to_be_bytes()].concat()
}

/// An address and a port as answers carry them.
pub(crate) fn endpoint(bytes: &[u8]) -> SocketAddr {
    let (ip, port) = bytes.split_last_chunk::<2>().unwrap();
    let ip: IpAddr = match <[u8; 4]>::try_from(ip) {
        Ok(ip) => ip.into(),
        Err(_) => <[u8; 16]>::try_from(ip).unwrap().into(),
    };
    SocketAddr::new(ip, u16::from_be_bytes(*port))
}
