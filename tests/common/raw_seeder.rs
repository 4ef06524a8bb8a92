//! A seeder that knows nothing of files: it serves the bytes of a torrent whose names no decent
//! client would accept, and may do so out of order, or wrongly.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// Extension bits that say: nothing but the plain protocol (BEP 3).
const PLAIN: [u8; 8] = [0; 8];
const UNCHOKE: u8 = 1;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
/// How many requests a disorderly seeder collects, and how long, before it answers them backwards.
const COLLECTED_MAX: usize = 40;
const COLLECTING: Duration = Duration::from_millis(10);

/// How a seeder behaves. The default answers what it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Where it listens: peers of one address count as one.
    pub(crate) address: Ipv4Addr,
    /// It answers the last request first.
    pub(crate) is_disorderly: bool,
    /// Whose blocks have a wrong byte: one piece.
    pub(crate) spoils: Option<u32>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, is_disorderly: false, spoils: None }
    }
}

/// What is served.
struct Served {
    info_hash: [u8; 20],
    payload: Vec<u8>,
    piece_bytes: usize,
    manner: Manner,
}

/// Serves `payload` under an info-hash (40 hex digits) until the test process ends; the port.
pub(crate) fn serve(info_hash: &str, payload: Vec<u8>, piece_bytes: usize, manner: Manner) -> u16 {
    let listener = TcpListener::bind((manner.address, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let info_hash = std::array::from_fn(|at| {
        u8::from_str_radix(&info_hash[2 * at..2 * at + 2], 16).expect("a hash is hexadecimal")
    });
    let served = Arc::new(Served { info_hash, payload, piece_bytes, manner });
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let served = Arc::clone(&served);
            std::thread::spawn(move || served.talk(socket));
        }
    });
    port
}

impl Served {
    fn talk(self: Arc<Self>, mut socket: TcpStream) -> io::Result<()> {
        let mut handshake = [0; 68];
        socket.read_exact(&mut handshake)?;
        let ours = [
            b"\x13BitTorrent protocol".as_slice(),
            &PLAIN,
            &self.info_hash,
            b"-XX0000-000000000000",
        ];
        socket.write_all(&ours.concat())?;
        send(&mut socket, BITFIELD, &[&self.bitfield()])?;
        send(&mut socket, UNCHOKE, &[])?;
        let (asked, requests) = mpsc::channel();
        let mut incoming = socket.try_clone()?;
        std::thread::spawn(move || self.answer_all(&mut socket, &requests));
        loop {
            let message = receive(&mut incoming)?;
            if let Some((&REQUEST, request)) = message.split_first() {
                asked.send(request.to_vec()).map_err(io::Error::other)?;
            }
        }
    }

    fn answer_all(
        &self,
        socket: &mut TcpStream,
        requests: &mpsc::Receiver<Vec<u8>>,
    ) -> io::Result<()> {
        while let Ok(first) = requests.recv() {
            let mut collected = vec![first];
            while self.manner.is_disorderly && collected.len() < COLLECTED_MAX {
                let Ok(next) = requests.recv_timeout(COLLECTING) else { break };
                collected.push(next);
            }
            for request in collected.iter().rev() {
                self.answer(socket, request)?;
            }
        }
        Ok(())
    }

    fn bitfield(&self) -> Vec<u8> {
        let pieces = self.payload.len().div_ceil(self.piece_bytes);
        let mut bits = vec![0_u8; pieces.div_ceil(8)];
        (0..pieces).for_each(|piece| bits[piece / 8] |= 0x80 >> (piece % 8));
        bits
    }

    fn answer(&self, socket: &mut TcpStream, request: &[u8]) -> io::Result<()> {
        let number = |at: usize| {
            let bytes = request.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_be_bytes).ok_or(io::ErrorKind::InvalidData)
        };
        let (piece, begin, length) = (number(0)?, number(4)?, number(8)?);
        let start = piece as usize * self.piece_bytes + begin as usize;
        let block = self.payload.get(start..start + length as usize);
        let mut block = block.ok_or(io::ErrorKind::InvalidData)?.to_vec();
        if self.manner.spoils == Some(piece) {
            block[0] ^= 1;
        }
        send(socket, PIECE, &[&piece.to_be_bytes(), &begin.to_be_bytes(), &block])
    }
}

pub(crate) fn send(socket: &mut TcpStream, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 1).map_err(io::Error::other)?;
    socket.write_all(&[&length.to_be_bytes(), [kind].as_slice(), &body].concat())
}

pub(crate) fn receive(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut message = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut message)?;
    Ok(message)
}
