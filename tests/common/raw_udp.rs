//! Datagrams that no ordinary socket sends: with any source port. Root only.

use std::net::IpAddr;
use std::net::SocketAddr;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

/// Sends `payload` from `source_port` of this machine to `to`.
pub(crate) fn send(source_port: u16, to: SocketAddr, payload: &[u8]) -> std::io::Result<()> {
    let socket =
        Socket::new(Domain::for_address(to), Type::from(libc::SOCK_RAW), Some(Protocol::UDP))?;
    // A raw socket takes no port: it stands in the header below.
    socket.send_to(&datagram(source_port, to, payload), &SocketAddr::new(to.ip(), 0).into())?;
    Ok(())
}

/// Header and payload; source and target have the same address.
fn datagram(source_port: u16, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = Vec::with_capacity(usize::from(length));
    for number in [source_port, to.port(), length, 0] {
        datagram.extend(number.to_be_bytes());
    }
    datagram.extend(payload);
    let checksum = checksum(to.ip(), &datagram);
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    datagram
}

/// The internet checksum with the pseudo-header (RFC 768, RFC 8200); IPv6 does without none.
fn checksum(ip: IpAddr, datagram: &[u8]) -> u16 {
    let address = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let length = u16::try_from(datagram.len()).unwrap().to_be_bytes();
    let udp = [0, 17];
    let all = [&address[..], &address, &udp, &length, datagram].concat();
    let mut sum: u32 = 0;
    for pair in all.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    }
}
