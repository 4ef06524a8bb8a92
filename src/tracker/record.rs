//! What is kept of a peer beside its endpoint.

use crate::domain::swarm::Announce;
use crate::domain::swarm::AnnounceEvent;

/// The number of an access key while the program runs: two bytes instead of 32, since a million
/// peers count. 0 = none was shown.
pub(crate) type KeyNumber = u16;

/// What is kept of a peer beside its endpoint. Packed: a million of them count.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
pub(crate) struct Record {
    /// What it calls itself.
    pub(crate) peer_id: [u8; 20],
    /// Bytes, as claimed.
    pub(crate) uploaded: u64,
    /// Bytes, as claimed.
    pub(crate) downloaded: u64,
    /// Bytes missing.
    pub(crate) left: u64,
    /// Second of the tracker's clock in which it last announced.
    pub(crate) seen_s: u32,
    /// The key it last announced with.
    pub(crate) key: KeyNumber,
    /// Its last event and what else is known, in one byte.
    state: u8,
}

/// Bits of [`Record::state`] above those of the event.
const COUNTED: u8 = 0x40;
const OWN: u8 = 0x80;
const EVENTS: [AnnounceEvent; 5] = [
    AnnounceEvent::None,
    AnnounceEvent::Completed,
    AnnounceEvent::Started,
    AnnounceEvent::Stopped,
    AnnounceEvent::Paused,
];

impl Record {
    /// What an announce says, at a second of the tracker's clock.
    pub(crate) fn new(announce: &Announce<'_>, seen_s: u32) -> Self {
        let event = EVENTS.iter().position(|event| *event == announce.event);
        Self {
            peer_id: announce.peer_id,
            uploaded: announce.uploaded,
            downloaded: announce.downloaded,
            left: announce.left,
            seen_s,
            key: 0,
            state: event.unwrap_or_default() as u8,
        }
    }

    /// The same, of the client inside this process, which does not expire and has no completion
    /// to be counted.
    pub(crate) fn own(self) -> Self {
        Self { state: self.state | OWN | COUNTED, ..self }
    }

    /// The same, announced with a key.
    pub(crate) fn with_key(self, key: KeyNumber) -> Self {
        Self { key, ..self }
    }

    /// Takes over what an announce does not say.
    pub(crate) fn inherit(&mut self, known: &Self) {
        self.state |= known.state & (OWN | COUNTED);
    }

    /// Notes that its completion was counted (vector U25).
    pub(crate) fn count(&mut self) {
        self.state |= COUNTED;
    }

    /// Whether its completion was counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.state & COUNTED != 0
    }

    /// Whether it is the client inside this process.
    pub(crate) fn is_own(&self) -> bool {
        self.state & OWN != 0
    }

    /// Its last event.
    pub(crate) fn event(&self) -> AnnounceEvent {
        EVENTS.get(usize::from(self.state & !(OWN | COUNTED))).copied().unwrap_or_default()
    }

    /// A partial seed (BEP 21) is not complete, whatever it says is left (vector U19).
    pub(crate) fn is_seeder(&self) -> bool {
        self.left == 0 && self.event() != AnnounceEvent::Paused
    }
}
