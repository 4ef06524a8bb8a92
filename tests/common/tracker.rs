//! A little HTTP tracker on the foreign side: tells every asker of all others that announced.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

/// Runs until the test ends.
pub(crate) struct Tracker {
    port: u16,
    ports: Arc<Mutex<BTreeSet<u16>>>,
}

impl Tracker {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = Arc::new(Mutex::new(BTreeSet::new()));
        let known = Arc::clone(&ports);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let _ = answer(socket, &known);
            }
        });
        Self { port, ports }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/announce", self.port)
    }

    /// Whether somebody who listens on `port` announced.
    pub(crate) fn knows(&self, port: u16) -> bool {
        self.ports.lock().unwrap().contains(&port)
    }
}

fn answer(mut socket: TcpStream, known: &Mutex<BTreeSet<u16>>) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(socket.try_clone()?);
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let port = line.split(['?', '&', ' ']).find_map(|part| part.strip_prefix("port="));
    let port: u16 = port.and_then(|port| port.parse().ok()).unwrap_or(0);
    let mut peers = Vec::new();
    {
        let mut known = known.lock().unwrap();
        for other in known.iter().filter(|other| **other != port) {
            peers.extend_from_slice(&[127, 0, 0, 1]);
            peers.extend_from_slice(&other.to_be_bytes());
        }
        known.insert(port);
    }
    let mut body = format!("d8:intervali60e5:peers{}:", peers.len()).into_bytes();
    body.extend_from_slice(&peers);
    body.push(b'e');
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    socket.write_all(head.as_bytes())?;
    socket.write_all(&body)
}
