//! Many datagrams for one system call, where Linux offers it: `recvmmsg` and `sendmmsg`.
//!
//! Nearly all the time of a UDP tracker is spent in the kernel, so batches are what makes it fast.
//! On a socket of any address the kernel also tells which of ours a datagram was sent to, and is
//! told to answer from that one (vector U37).

#![allow(unsafe_code, reason = "the C library's calls for batches; named in docs/ARCHITECTURE.md")]

use std::io;
use std::mem;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV6;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

use crate::tracker::udp_server::DATAGRAM_MAX;
use crate::tracker::udp_server::Datagrams;
use crate::tracker::udp_server::Packet;

/// Datagrams of one call.
const BATCH: usize = 64;
/// Room for one control message: an IPv6 address, an interface, and its head.
const CONTROL_BYTES: usize = 64;

/// Control messages need the alignment of their head.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// The buffers of one worker. The vectors never grow, so what lies in them does not move.
pub(crate) struct Batch {
    received: Vec<[u8; DATAGRAM_MAX]>,
    lengths: Vec<usize>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    locals: Vec<Option<IpAddr>>,
    replies: Vec<Vec<u8>>,
    /// What the kernel is handed to receive: written once, since a call of few datagrams would
    /// otherwise be spent on preparing many.
    heads: Vec<libc::mmsghdr>,
    /// The parts that `heads` point to: each one buffer.
    parts: Vec<libc::iovec>,
    /// Datagrams that were received last.
    count: usize,
    /// Whether the kernel has to say where a datagram was sent to.
    is_wildcard: bool,
    local: IpAddr,
}

// SAFETY: the pointers in `heads` and `parts` lead to vectors of the same value, which never grow;
// a batch that moves to another thread takes what they lead to along.
unsafe impl Send for Batch {}

impl Batch {
    /// Buffers for `socket`.
    pub(crate) fn new(socket: &UdpSocket) -> io::Result<Self> {
        let local = socket.local_addr()?.ip();
        let is_wildcard = local.is_unspecified();
        if is_wildcard {
            ask_for_local_address(socket, local)?;
        }
        // SAFETY: a `sockaddr_storage` of zero bytes is valid: it has no family.
        let no_name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        // SAFETY: zero bytes are valid: no buffers, no name.
        let no_head: libc::mmsghdr = unsafe { mem::zeroed() };
        let no_part = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut batch = Self {
            received: vec![[0; DATAGRAM_MAX]; BATCH],
            lengths: vec![0; BATCH],
            names: vec![no_name; BATCH],
            controls: vec![Control([0; CONTROL_BYTES]); BATCH],
            locals: vec![None; BATCH],
            replies: vec![Vec::new(); BATCH],
            heads: vec![no_head; BATCH],
            parts: vec![no_part; BATCH],
            count: 0,
            is_wildcard,
            local,
        };
        for at in 0..BATCH {
            let base = batch.received[at].as_mut_ptr().cast();
            batch.parts[at] = libc::iovec { iov_base: base, iov_len: DATAGRAM_MAX };
            batch.heads[at].msg_hdr.msg_iov = &raw mut batch.parts[at];
            batch.heads[at].msg_hdr.msg_iovlen = 1;
            batch.heads[at].msg_hdr.msg_name = (&raw mut batch.names[at]).cast();
            batch.offer_room(at);
        }
        Ok(batch)
    }

    /// Says anew how much room there is behind a head, where the last call wrote what it used.
    fn offer_room(&mut self, at: usize) {
        let head = &mut self.heads[at].msg_hdr;
        head.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        if self.is_wildcard {
            head.msg_control = self.controls[at].0.as_mut_ptr().cast();
            head.msg_controllen = CONTROL_BYTES as _;
        }
    }
}

impl Datagrams for Batch {
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for at in 0..mem::take(&mut self.count) {
            self.offer_room(at);
        }
        let (flags, limit) = (libc::MSG_WAITFORONE as _, ptr::null_mut());
        // SAFETY: every head points to a name, a part, a buffer and a control buffer that are as
        // long as it says, live as long as `self` and are used by nothing else during the call.
        let count = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.heads.as_mut_ptr(), BATCH as _, flags, limit)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (at, head) in self.heads.iter().take(count).enumerate() {
            self.lengths[at] = head.msg_len as usize;
            self.replies[at].clear();
            self.locals[at] = match self.is_wildcard {
                true => local_address(&head.msg_hdr),
                false => Some(self.local),
            };
        }
        self.count = count;
        Ok(count)
    }

    fn exchange(&mut self, at: usize) -> Option<(Packet<'_>, &mut Vec<u8>)> {
        let data = self.received[at].get(..self.lengths[at])?;
        let from = socket_address(&self.names[at])?;
        let local = self.locals[at].unwrap_or(self.local);
        Some((Packet { data, from, local }, &mut self.replies[at]))
    }

    fn send(&mut self, socket: &UdpSocket) {
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
        let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut parts = [empty; BATCH];
        let mut ready = 0;
        for (at, part) in parts.iter_mut().enumerate().take(self.count) {
            let reply = &mut self.replies[at];
            if reply.is_empty() {
                continue;
            }
            *part = libc::iovec { iov_base: reply.as_mut_ptr().cast(), iov_len: reply.len() };
            // SAFETY: zero bytes are valid: no buffers, no name.
            let header = &mut headers[ready].write(unsafe { mem::zeroed() }).msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            if let (true, Some(local)) = (self.is_wildcard, self.locals[at]) {
                let length = write_source(&mut self.controls[at], local);
                header.msg_control = self.controls[at].0.as_mut_ptr().cast();
                header.msg_controllen = length as _;
            }
            ready += 1;
        }
        let mut sent = 0;
        while sent < ready {
            let rest = headers[sent..ready].as_mut_ptr().cast();
            // SAFETY: the first `ready` headers are written, and every one points to a name, a part, an answer and a control buffer that
            // are as long as it says and live to the end of the call; the kernel only reads them.
            let done = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest, (ready - sent) as _, 0) };
            // What could not be sent is left out, and the rest goes on.
            sent += usize::try_from(done).unwrap_or(0).max(1);
        }
    }
}

/// Has the kernel tell of each datagram which address it was sent to.
fn ask_for_local_address(socket: &UdpSocket, local: IpAddr) -> io::Result<()> {
    let (level, option) = match local {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an integer that lives to the end of the call.
    let outcome = unsafe {
        let value = ptr::from_ref(&on).cast();
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, value, length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where a datagram was sent to, from its control message.
fn local_address(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel has filled the control buffer that the header points to, up to the
    // length it wrote into the header; `CMSG_FIRSTHDR` checks that a head fits, and the kinds are
    // compared before the data behind the head is read, unaligned, as what that kind carries.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if message.is_null() {
            return None;
        }
        let data = libc::CMSG_DATA(message);
        match ((*message).cmsg_level, (*message).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into())
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// Writes the control message that has a datagram sent from `local`; returns its length.
fn write_source(control: &mut Control, local: IpAddr) -> usize {
    control.0 = [0; CONTROL_BYTES];
    let (level, kind) = match local {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
    };
    // SAFETY: the buffer is aligned for a head and longer than the head and either of the two
    // structures behind it, where `CMSG_DATA` points; zero bytes are valid for both.
    unsafe {
        let head: *mut libc::cmsghdr = control.0.as_mut_ptr().cast();
        let data = libc::CMSG_DATA(head);
        let length = match local {
            IpAddr::V4(ip) => {
                let mut info: libc::in_pktinfo = mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from(ip).to_be();
                ptr::write_unaligned(data.cast(), info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(ip) => {
                let mut info: libc::in6_pktinfo = mem::zeroed();
                info.ipi6_addr.s6_addr = ip.octets();
                ptr::write_unaligned(data.cast(), info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*head).cmsg_level = level;
        (*head).cmsg_type = kind;
        (*head).cmsg_len = libc::CMSG_LEN(length as libc::c_uint) as _;
        libc::CMSG_SPACE(length as libc::c_uint) as usize
    }
}

fn socket_address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says what the storage holds, and it is large and aligned enough.
            let name: &libc::sockaddr_in = unsafe { &*ptr::from_ref(name).cast() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::from((ip, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says what the storage holds, and it is large and aligned enough.
            let name: &libc::sockaddr_in6 = unsafe { &*ptr::from_ref(name).cast() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}
