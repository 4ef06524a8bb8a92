//! The UDP tracker's sockets and threads: datagrams in, answers out (BEP 15).
//!
//! Each worker is a thread with a socket of its own for the same address; the kernel spreads the
//! askers over them. Nothing is shared between workers but the tracker.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::domain::hash::TorrentId;
use crate::domain::stats::Transport;
use crate::domain::swarm::Announce;
use crate::domain::swarm::Asker;
use crate::domain::swarm::PeerList;
use crate::domain::swarm::Refusal;
use crate::tracker::Now;
use crate::tracker::Tracker;
use crate::tracker::connection_id::ConnectionIds;
use crate::tracker::counters::Block;
use crate::tracker::random::Random;
use crate::tracker::swarms::Coming;
#[cfg(target_os = "linux")]
use crate::tracker::udp_batch::Batch;
#[cfg(not(target_os = "linux"))]
use crate::tracker::udp_single::Single as Batch;
use crate::tracker::udp_wire;
use crate::tracker::udp_wire::AnnounceRequest;
use crate::tracker::udp_wire::Request;

/// Bytes of a datagram that are looked at; no request is longer.
pub(crate) const DATAGRAM_MAX: usize = 2048;
/// How long a worker waits before it looks whether it is to stop.
const WAIT: Duration = Duration::from_millis(250);
/// Bytes the kernel keeps while a worker is busy, if it allows as many.
const BUFFER_BYTES: usize = 4 << 20;

/// A request with where it came from and where it was sent to.
pub(crate) struct Packet<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) from: SocketAddr,
    pub(crate) local: IpAddr,
}

/// The buffers of a worker, and how its datagrams come and go.
pub(crate) trait Datagrams {
    /// Waits for datagrams up to the socket's time limit, takes what is there, and returns how
    /// many came.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize>;
    /// A datagram and the buffer for its answer, which is not sent when it stays empty.
    fn exchange(&mut self, at: usize) -> Option<(Packet<'_>, &mut Vec<u8>)>;
    /// Sends the answers. One that the network refuses is lost, as any datagram may be.
    fn send(&mut self, socket: &UdpSocket);
}

/// Sockets that are bound and not yet read.
pub struct UdpSockets {
    sockets: Vec<UdpSocket>,
    addresses: Vec<SocketAddr>,
}

/// Running workers.
pub struct UdpServer {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl UdpSockets {
    /// Binds `workers` sockets for each address.
    ///
    /// # Errors
    /// The address that cannot be bound, and why.
    pub fn bind(addresses: &[SocketAddr], workers: usize) -> Result<Self, (SocketAddr, io::Error)> {
        let mut bound = Self { sockets: Vec::new(), addresses: Vec::new() };
        for address in addresses {
            bound.bind_address(*address, workers.max(1)).map_err(|error| (*address, error))?;
        }
        Ok(bound)
    }

    fn bind_address(&mut self, address: SocketAddr, workers: usize) -> io::Result<()> {
        // Sockets that share a port let in another process of the same user. One that does not
        // share tells whether the port is free (rule D13).
        let probe = socket(address, false)?;
        let address = match probe.local_addr()?.as_socket() {
            Some(bound) => bound,
            None => address,
        };
        drop(probe);
        for _ in 0..workers {
            self.sockets.push(socket(address, workers > 1)?.into());
        }
        self.addresses.push(address);
        Ok(())
    }

    /// Where they listen, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts a worker for each socket.
    ///
    /// # Errors
    /// When there are no threads or no random bytes.
    pub fn serve(self, tracker: &Tracker) -> io::Result<UdpServer> {
        let stop = Arc::new(AtomicBool::new(false));
        let ids = Arc::new(ConnectionIds::new()?);
        let mut workers = Vec::new();
        for (number, socket) in self.sockets.into_iter().enumerate() {
            let batch = Batch::new(&socket)?;
            let (tracker, ids, stop) = (tracker.clone(), Arc::clone(&ids), Arc::clone(&stop));
            let worker = move || {
                let block = tracker.counters().take_block();
                let random = Random::from_os();
                let (list, coming) = (PeerList::default(), Vec::new());
                Worker { tracker, ids, block, random, list, coming }.run(&socket, batch, &stop);
            };
            workers.push(thread::Builder::new().name(format!("tracker-{number}")).spawn(worker)?);
        }
        Ok(UdpServer { stop, workers })
    }
}

impl UdpServer {
    /// Stops all workers and waits for them: a moment.
    pub fn stop(self) {
        self.stop.store(true, Relaxed);
        for worker in self.workers {
            let _ = worker.join();
        }
    }
}

fn socket(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own.
        socket.set_only_v6(true)?;
    }
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    // A smaller buffer is no reason not to start.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    socket.set_read_timeout(Some(WAIT))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// One thread's own.
struct Worker {
    tracker: Tracker,
    ids: Arc<ConnectionIds>,
    block: usize,
    random: Random,
    list: PeerList,
    /// The announces of a batch.
    coming: Vec<Coming>,
}

impl Worker {
    fn run(mut self, socket: &UdpSocket, mut batch: impl Datagrams, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            let count = match batch.receive(socket) {
                Ok(count) => count,
                Err(error) if is_pause(&error) => continue,
                Err(error) => {
                    tracing::debug!(%error, "the UDP tracker could not receive");
                    thread::sleep(WAIT);
                    continue;
                }
            };
            let now = self.tracker.now();
            self.warm(&mut batch, count);
            for at in 0..count {
                let Some((packet, out)) = batch.exchange(at) else { continue };
                self.answer(&packet, now, out);
                let counters = self.tracker.counters().block(self.block);
                counters.traffic(packet.data.len(), out.len());
            }
            batch.send(socket);
        }
    }

    /// Looks ahead: what the announces of a batch will need is brought near for all of them at
    /// once. A single one has nothing to wait beside.
    fn warm(&mut self, batch: &mut impl Datagrams, count: usize) {
        if count < 2 {
            return;
        }
        self.coming.clear();
        for at in 0..count {
            let Some((packet, _)) = batch.exchange(at) else { continue };
            let Some(Request::Announce(request)) = Request::parse(packet.data) else { continue };
            let asker = Asker::new(packet.from.ip().to_canonical(), packet.local);
            self.coming.push(self.tracker.coming(request.info_hash, asker, request.port));
        }
        self.tracker.warm(&self.coming);
    }

    /// Writes the answer to a datagram into `out`; leaves it empty when there is none.
    fn answer(&mut self, packet: &Packet<'_>, now: Now, out: &mut Vec<u8>) {
        let ip = packet.from.ip().to_canonical();
        let transport = if ip.is_ipv4() { Transport::Udp4 } else { Transport::Udp6 };
        let tracker = self.tracker.clone();
        let counters = tracker.counters().block(self.block);
        // There is nobody to answer at port 0 (vector U21).
        let Some(request) = Request::parse(packet.data).filter(|_| packet.from.port() != 0) else {
            counters.malformed();
            return;
        };
        if request.connection().is_some_and(|id| !self.ids.check(id, ip, now.clock_s)) {
            counters.wrong_id();
            return;
        }
        match request {
            Request::Connect { transaction } => {
                udp_wire::connected(out, transaction, self.ids.make(ip, now.clock_s));
                counters.connection(transport);
            }
            Request::Announce(request) => {
                let asker = Asker::new(ip, packet.local);
                self.announce(&request, asker, now, transport, counters, out);
            }
            Request::Scrape { transaction, hashes: [], .. } => {
                udp_wire::error(out, transaction, "Missing info_hash");
            }
            Request::Scrape { transaction, hashes, .. } => {
                udp_wire::begin_scraped(out, transaction);
                for hash in hashes.iter().take(udp_wire::SCRAPE_MAX) {
                    // A scrape has no place for a key: private swarms show nothing.
                    let counts = tracker.scrape(&TorrentId(*hash), None, now);
                    udp_wire::add_scraped(out, counts);
                }
                counters.scrape(transport);
            }
        }
    }

    fn announce(
        &mut self,
        request: &AnnounceRequest<'_>,
        asker: Asker,
        now: Now,
        transport: Transport,
        counters: &Block,
        out: &mut Vec<u8>,
    ) {
        let path = (!request.options.is_empty()).then(|| udp_wire::url_data(request.options));
        let announce = Announce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            asker,
            port: request.port,
            uploaded: request.uploaded,
            downloaded: request.downloaded,
            left: request.left,
            event: request.event,
            want: request.want,
            key: path.as_ref().and_then(|path| path.key()),
        };
        // The peers go straight behind the numbers of the answer.
        udp_wire::begin_announced(out, request.transaction);
        self.list.compact = std::mem::take(out);
        let announced = self.tracker.announce(&announce, now, &mut self.random, &mut self.list);
        *out = std::mem::take(&mut self.list.compact);
        match announced {
            Ok(announced) => {
                let (leechers, seeders) = (announced.leechers, announced.seeders);
                udp_wire::finish_announced(out, announced.interval_s, leechers, seeders);
                counters.announce(transport);
            }
            Err(refusal) => {
                counters.refused(refusal);
                udp_wire::error(out, request.transaction, refusal.text());
                if refusal == Refusal::TooManyInvalidKeys {
                    out.clear();
                }
            }
        }
    }
}

/// Nothing came in time, a signal did, or an answer of before met a closed port.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::TrackerConfig;
    use crate::tracker::udp_single;

    /// What answers where there are no batches.
    #[test]
    fn one_datagram_a_call_is_answered_as_well() {
        let tracker = Tracker::new(&TrackerConfig::default(), &[], &[]);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(WAIT)).unwrap();
        let address = server.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let worker = Worker {
            tracker,
            ids: Arc::new(ConnectionIds::new().unwrap()),
            block: 0,
            random: Random::from_seed(1),
            list: PeerList::default(),
            coming: Vec::new(),
        };
        let batch = udp_single::Single::new(&server).unwrap();
        let thread = thread::spawn(move || worker.run(&server, batch, &told));

        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client.connect(address).unwrap();
        let mut answer = [0; 64];
        for transaction in 1..=3u8 {
            client.send(b"too short").unwrap();
            let magic = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80];
            client.send(&[&magic[..], &[0; 7], &[transaction]].concat()).unwrap();
            assert_eq!(client.recv(&mut answer).unwrap(), 16);
            assert_eq!(answer[..8], [0, 0, 0, 0, 0, 0, 0, transaction]);
        }
        stop.store(true, Relaxed);
        thread.join().unwrap();
    }
}
