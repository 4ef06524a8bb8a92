//! One datagram for one system call: for systems without batches.
//!
//! On a socket of any address the answer leaves from the address that the system chooses.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use crate::tracker::udp_server::DATAGRAM_MAX;
use crate::tracker::udp_server::Datagrams;
use crate::tracker::udp_server::Packet;

/// The buffers of one worker.
pub(crate) struct Single {
    received: Box<[u8; DATAGRAM_MAX]>,
    length: usize,
    from: Option<SocketAddr>,
    reply: Vec<u8>,
    local: IpAddr,
}

impl Single {
    /// Buffers for `socket`.
    pub(crate) fn new(socket: &UdpSocket) -> io::Result<Self> {
        let local = socket.local_addr()?.ip();
        let received = Box::new([0; DATAGRAM_MAX]);
        Ok(Self { received, length: 0, from: None, reply: Vec::new(), local })
    }
}

impl Datagrams for Single {
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let (length, from) = socket.recv_from(&mut self.received[..])?;
        (self.length, self.from) = (length, Some(from));
        self.reply.clear();
        Ok(1)
    }

    fn exchange(&mut self, _: usize) -> Option<(Packet<'_>, &mut Vec<u8>)> {
        let data = self.received.get(..self.length)?;
        Some((Packet { data, from: self.from?, local: self.local }, &mut self.reply))
    }

    fn send(&mut self, socket: &UdpSocket) {
        if let (Some(from), false) = (self.from, self.reply.is_empty()) {
            let _ = socket.send_to(&self.reply, from);
        }
    }
}
