//! A tiny HTTP tracker: hands out the peers it was told of, and those that announced, so that
//! programs find each other at once instead of after an interval.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

use crate::common::wait_for;

/// What a tracker knows, by info-hash (40 hex digits; 20 bytes of a v2 hash too).
#[derive(Default)]
struct Known {
    /// Ports on this machine that are handed out for every swarm.
    given: BTreeSet<u16>,
    /// Ports that announced.
    announced: BTreeMap<String, BTreeSet<u16>>,
    /// Swarms whose last event was `stopped`.
    stopped: BTreeSet<String>,
}

/// The tracker; its thread ends with the test process.
pub(crate) struct Tracker {
    /// To be put into torrents. The path begins with `/announce`, as libtorrent's guard wants.
    pub(crate) url: String,
    known: Arc<Mutex<Known>>,
}

impl Tracker {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/announce", listener.local_addr().expect("it has an address"));
        let known = Arc::new(Mutex::new(Known::default()));
        let shared = Arc::clone(&known);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let known = Arc::clone(&shared);
                std::thread::spawn(move || drop(answer(socket, &known)));
            }
        });
        Self { url, known }
    }

    /// Hands out this port to everybody from now on.
    pub(crate) fn give(&self, port: u16) {
        self.known.lock().unwrap().given.insert(port);
    }

    /// Waits until `port` announced `hash`.
    #[track_caller]
    pub(crate) fn wait_announced(&self, hash: &str, port: u16) {
        wait_for(&format!("port {port} announces {hash}"), || {
            let known = self.known.lock().unwrap();
            known.announced.get(hash).filter(|ports| ports.contains(&port)).map(drop)
        });
    }

    /// Whether somebody said goodbye to the swarm `hash`.
    pub(crate) fn saw_stopped(&self, hash: &str) -> bool {
        self.known.lock().unwrap().stopped.contains(hash)
    }
}

fn answer(mut socket: TcpStream, known: &Mutex<Known>) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    let query = first.split(' ').nth(1).and_then(|target| target.split_once('?'));
    let body = peers_for(query.map_or("", |(_, query)| query), &mut known.lock().unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes())?;
    socket.write_all(&body)
}

fn peers_for(query: &str, known: &mut Known) -> Vec<u8> {
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let raw = value("info_hash").unwrap_or_default();
    let hash: String =
        percent_encoding::percent_decode_str(raw).map(|byte| format!("{byte:02x}")).collect();
    let port: u16 = value("port").and_then(|text| text.parse().ok()).unwrap_or(0);
    if value("event") == Some("stopped") {
        known.stopped.insert(hash.clone());
    }
    let others = known.announced.entry(hash).or_default();
    let ports: BTreeSet<u16> = others.union(&known.given).copied().filter(|&p| p != port).collect();
    if port != 0 && value("event") != Some("stopped") {
        others.insert(port);
    }
    let mut peers = Vec::new();
    for port in ports {
        peers.extend_from_slice(&[127, 0, 0, 1]);
        peers.extend_from_slice(&port.to_be_bytes());
    }
    let head = format!("d8:intervali1800e12:min intervali1e5:peers{}:", peers.len());
    [head.as_bytes(), &peers, b"e"].concat()
}
