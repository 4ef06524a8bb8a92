//! What a friend's clients say they did in the swarm of a share, and what our own client saw of it.

use crate::domain::hash::TorrentId;
use crate::domain::share::FriendName;

/// Whose account of which share; `None` = everybody with a key who is no friend.
pub type AccountId = (TorrentId, Option<FriendName>);

/// One friend in the swarm of one share. All numbers are bytes of payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Sent to anybody, as claimed.
    pub claimed_up: u64,
    /// Received from anybody, as claimed.
    pub claimed_down: u64,
    /// Sent to them by our own client.
    pub sent: u64,
    /// Received from them by our own client.
    pub received: u64,
    /// Of `claimed_up`, what was claimed before anybody counted what others received.
    pub up_before: u64,
    /// What clients that fell silent, and are forgotten since, may have received unsaid.
    pub unsaid_down: u64,
    /// They said once that they have all of it.
    pub is_complete: bool,
    /// Several of their clients were there at once, which may have served each other.
    pub has_several: bool,
    /// When they were last heard of, Unix seconds; 0 = never.
    pub seen_at: i64,
    /// Their clients, the last ones only.
    pub clients: Vec<ClientClaim>,
}

/// What one client of a friend said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientClaim {
    /// What it calls itself.
    pub peer_id: [u8; 20],
    /// Bytes sent since it started, as claimed.
    pub uploaded: u64,
    /// Bytes received since it started, as claimed.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
    /// It took its leave; what it said then was its last word.
    pub has_left: bool,
}

impl Account {
    /// What they may have received and did not say: everything that was still missing when they
    /// were last heard of.
    pub fn unsaid(&self) -> u64 {
        let open = self.clients.iter().filter(|client| !client.has_left);
        open.fold(self.unsaid_down, |sum, client| sum.saturating_add(client.left))
    }

    /// What the account of a share leaves to that of its new edition: all that was sent and
    /// received. Nobody has all of the new edition yet, and its clients count anew.
    #[must_use]
    pub fn carried_over(self) -> Self {
        let unsaid_down = self.unsaid();
        Self { unsaid_down, is_complete: false, clients: Vec::new(), ..self }
    }

    /// Puts another account of the same share together with this one.
    pub fn take_in(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.claimed_up, other.claimed_up),
            (&mut self.claimed_down, other.claimed_down),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.up_before, other.up_before),
            (&mut self.unsaid_down, other.unsaid_down),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.is_complete |= other.is_complete;
        self.has_several |= other.has_several;
        self.seen_at = self.seen_at.max(other.seen_at);
        self.clients.extend(other.clients);
    }
}

/// All accounts of a friend together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Sent to anybody, as claimed.
    pub claimed_up: u64,
    /// Received from anybody, as claimed.
    pub claimed_down: u64,
    /// Sent to them by our own client.
    pub sent: u64,
    /// Received from them by our own client.
    pub received: u64,
    /// When they were last heard of, Unix seconds; `None` = never.
    pub seen_at: Option<i64>,
    /// The shares that they have in full, as far as they said.
    pub complete: Vec<TorrentId>,
    /// Claimed bytes that nobody can have received. 0 for who claims nothing impossible.
    pub excess: u64,
    /// Share by share, those with something to tell.
    pub shares: Vec<ShareBalance>,
}

/// One share's part of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareBalance {
    /// The share, which may have ended.
    pub share: TorrentId,
    /// Sent to anybody, as claimed.
    pub claimed_up: u64,
    /// Received from anybody, as claimed.
    pub claimed_down: u64,
    /// Sent to them by our own client.
    pub sent: u64,
    /// Received from them by our own client.
    pub received: u64,
    /// They said that they have all of it.
    pub is_complete: bool,
    /// When they were last heard of, Unix seconds; 0 = never.
    pub seen_at: i64,
    /// Claimed bytes that nobody can have received.
    pub excess: u64,
}

impl Balance {
    /// Claimed bytes sent for each received; `None` when none was received.
    pub fn ratio(&self) -> Option<f64> {
        (self.claimed_down > 0).then(|| self.claimed_up as f64 / self.claimed_down as f64)
    }
}
