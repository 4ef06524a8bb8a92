//! A peer that hands out metadata (BEP 9, BEP 10) and nothing else: what a magnet link gets when
//! whoever made its torrent knows no decency.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;

use crate::common::bencode::Value;
use crate::common::bencode::dict;
use crate::common::raw_seeder::receive;
use crate::common::raw_seeder::send;
use crate::common::torrents::info_hash;

/// Says in the handshake that we speak the extension protocol.
const EXTENDED: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0];
/// The message that carries all extensions, and the one among them that is the handshake.
const EXTENSION: u8 = 20;
const HANDSHAKE: u8 = 0;
/// The number under which we want requests for metadata.
const OUR_METADATA: u8 = 3;
/// Metadata goes out in parts of this size.
const PART: usize = 16 << 10;

/// Hands out `info` until the test process ends; the port.
pub(crate) fn serve(info: &Value) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let hash = info_hash(info);
    let byte = |at: usize| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).expect("hexadecimal");
    let hash: [u8; 20] = std::array::from_fn(byte);
    let metadata = Arc::new(info.encode());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let metadata = Arc::clone(&metadata);
            std::thread::spawn(move || talk(socket, &hash, &metadata));
        }
    });
    port
}

fn talk(mut socket: TcpStream, info_hash: &[u8; 20], metadata: &[u8]) -> io::Result<()> {
    let mut handshake = [0; 68];
    socket.read_exact(&mut handshake)?;
    let start = b"\x13BitTorrent protocol".as_slice();
    socket.write_all(&[start, &EXTENDED, info_hash, b"-XX0000-000000000001"].concat())?;
    let size = Value::Int(metadata.len() as i64);
    let ours = dict([
        ("m", dict([("ut_metadata", Value::Int(OUR_METADATA.into()))])),
        ("metadata_size", size.clone()),
    ]);
    send(&mut socket, EXTENSION, &[&[HANDSHAKE], &ours.encode()])?;
    let mut theirs = 0;
    loop {
        match receive(&mut socket)?.as_slice() {
            [EXTENSION, HANDSHAKE, body @ ..] => {
                theirs = number_after(body, b"11:ut_metadatai").unwrap_or(0);
            }
            [EXTENSION, OUR_METADATA, body @ ..] => {
                let part: usize = number_after(body, b"5:piecei").unwrap_or(0);
                let bytes = metadata.chunks(PART).nth(part).unwrap_or_default();
                let head = dict([
                    ("msg_type", Value::Int(1)),
                    ("piece", Value::Int(part as i64)),
                    ("total_size", size.clone()),
                ]);
                send(&mut socket, EXTENSION, &[&[theirs], &head.encode(), bytes])?;
            }
            _ => {}
        }
    }
}

/// The number that stands behind `key` in a bencoded text.
fn number_after<T: std::str::FromStr>(body: &[u8], key: &[u8]) -> Option<T> {
    let at = body.windows(key.len()).position(|part| part == key)? + key.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit()).copied().collect();
    String::from_utf8(digits).ok()?.parse().ok()
}
