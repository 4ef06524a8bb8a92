//! Accounts of friends: what their clients claim at our own tracker, and what our own client saw.
//!
//! Announces cost nothing more for it: the tracker's table is looked at now and then, as are the
//! open connections. Only who leaves in between is told of, by the tracker and by the engine. It is
//! kept in memory and written down together, a few times a minute. Shares that are for everybody
//! have no accounts.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::access::AccessKey;
use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::account::Balance;
use crate::domain::hash::TorrentId;
use crate::domain::peer::EndedLink;
use crate::domain::peer::Peer;
use crate::domain::share::FriendName;
use crate::engine::Engine;
use crate::engine::Farewell;
use crate::service::friends::Friends;
use crate::service::ledger::Ledger;
use crate::service::ledger::Moment;
use crate::service::members::swarms_of;
use crate::service::shares::ShareView;
use crate::service::shares::Shares;
use crate::service::upkeep::told;
use crate::store::Store;
use crate::tracker::Departure;
use crate::tracker::Tracker;

/// How often everybody is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After how many looks what changed is written down.
const LOOKS_A_RECORD: u32 = 3;
/// How old a look may be for whoever asks.
const FRESH: Duration = Duration::from_secs(1);
/// How long somebody who asks waits for a look before an older one has to do.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// Connections that ended and wait to be counted; what passed over more of them since the last look
/// is lost.
const ENDED_MAX: usize = 4096;

/// Connections that ended.
pub type EndedLinks = mpsc::Receiver<EndedLink>;

/// A queue from the engine to the accounts.
pub fn farewells() -> (Farewell, EndedLinks) {
    let (sender, receiver) = mpsc::channel(ENDED_MAX);
    let farewell = move |ended| {
        let _ = sender.try_send(ended);
    };
    (Arc::new(farewell), receiver)
}

/// The accounts; a cheap handle.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    tracker: Tracker,
    engine: Engine,
    shares: Shares,
    friends: Friends,
    /// When the tracker began to know its peers, by its own clock.
    born_s: u32,
    ledger: Mutex<Ledger>,
    /// Held while something is written down.
    writing: tokio::sync::Mutex<()>,
    /// One look at a time.
    inbox: tokio::sync::Mutex<Inbox>,
}

/// Who left since the last look.
struct Inbox {
    departures: Option<mpsc::Receiver<Departure>>,
    ended: EndedLinks,
    looked_at: Option<Instant>,
}

impl Accounts {
    /// Those that were kept.
    pub fn new(
        (store, tracker, engine): (Store, Tracker, Engine),
        (shares, friends): (Shares, Friends),
        ended: EndedLinks,
        kept: Vec<(AccountId, Account)>,
    ) -> Self {
        let inbox = Inbox { departures: tracker.departures(), ended, looked_at: None };
        let inner = Inner {
            born_s: tracker.now().clock_s,
            store,
            tracker,
            engine,
            shares,
            friends,
            ledger: Mutex::new(Ledger::new(kept)),
            writing: tokio::sync::Mutex::new(()),
            inbox: tokio::sync::Mutex::new(inbox),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Every friend who was ever heard of, as of now.
    pub async fn balances(&self) -> BTreeMap<FriendName, Balance> {
        // An engine that does not answer keeps nobody from what is known.
        let _ = tokio::time::timeout(LOOK_LIMIT, self.look()).await;
        self.ledger().balances()
    }

    /// One friend, as of now; all zeros for one who was never heard of.
    pub async fn balance(&self, name: &FriendName) -> Balance {
        self.balances().await.remove(name).unwrap_or_default()
    }

    /// Looks and writes down now and then, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            for _ in 0..LOOKS_A_RECORD {
                tokio::select! {
                    () = told(&mut stop) => return,
                    () = tokio::time::sleep(LOOK_EVERY) => self.look().await,
                }
            }
            self.write_down().await;
        }
    }

    /// The end: takes in who left since, and writes down what is not yet.
    pub async fn settle(&self) {
        let mut inbox = self.inner.inbox.lock().await;
        let (names, swarms) = (self.names(), self.swarms(&self.private()));
        self.hear_of_departures(&mut inbox, &names, &swarms);
        self.hear_of_ends(&mut inbox);
        drop(inbox);
        self.write_down().await;
    }

    /// Writes down all there is; from here on nothing is, until what is returned is dropped.
    pub(super) async fn still(&self) -> tokio::sync::MutexGuard<'_, ()> {
        // Who is in the swarm of a share that goes is heard for the last time.
        let _ = tokio::time::timeout(LOOK_LIMIT, self.look()).await;
        let writing = self.inner.writing.lock().await;
        self.write_changes().await;
        writing
    }

    /// In the store the accounts of the share `old` go on under its new edition; now here too.
    pub(super) fn move_share(
        &self,
        _still: &tokio::sync::MutexGuard<'_, ()>,
        old: TorrentId,
        new: TorrentId,
    ) {
        self.ledger().move_share(old, new);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.inner.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is known now, unless that was done just before.
    async fn look(&self) {
        let mut inbox = self.inner.inbox.lock().await;
        if inbox.looked_at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let (names, views) = (self.names(), self.private());
        let swarms = self.swarms(&views);
        let friends: HashSet<&FriendName> = names.values().collect();
        self.ledger().fold(|name| friends.contains(name));
        self.hear_of_departures(&mut inbox, &names, &swarms);
        for view in &views {
            self.hear_of_swarms(view, &names);
        }
        // Whoever came and went meanwhile is known before the connection is.
        self.hear_of_departures(&mut inbox, &names, &swarms);
        for view in &views {
            let Some(links) = self.links(view).await else { continue };
            self.hear_of_ends(&mut inbox);
            let now = self.now();
            self.ledger().look(view.share.id, &links, now);
        }
        self.hear_of_ends(&mut inbox);
        inbox.looked_at = Some(Instant::now());
    }

    /// The shares that have members.
    fn private(&self) -> Vec<ShareView> {
        let all = self.inner.shares.list().into_iter();
        all.filter(|view| view.share.is_private).collect()
    }

    /// Which swarm is which share's.
    fn swarms(&self, views: &[ShareView]) -> HashMap<TorrentId, TorrentId> {
        let of = |view: &ShareView| {
            let share = view.share.id;
            swarms_of(&view.torrent.hashes).into_iter().map(move |swarm| (swarm, share))
        };
        views.iter().flat_map(of).collect()
    }

    fn names(&self) -> HashMap<AccessKey, FriendName> {
        self.inner.friends.list().into_iter().map(|friend| (friend.key, friend.name)).collect()
    }

    fn now(&self) -> Moment {
        let (tracker, now) = (&self.inner.tracker, self.inner.tracker.now());
        let age_s = now.clock_s.saturating_sub(self.inner.born_s);
        Moment {
            clock_s: now.clock_s,
            unix_s: now.unix_s,
            is_young: age_s < tracker.peer_timeout_s(),
        }
    }

    fn hear_of_swarms(&self, view: &ShareView, names: &HashMap<AccessKey, FriendName>) {
        let (share, tracker) = (view.share.id, &self.inner.tracker);
        let mut there: HashMap<AccountId, Vec<[u8; 20]>> = HashMap::new();
        for swarm in swarms_of(&view.torrent.hashes) {
            let peers = tracker.peers(&swarm);
            let now = self.now();
            let mut ledger = self.ledger();
            for peer in peers.iter().filter(|peer| !peer.is_own) {
                let id = (share, peer.key.and_then(|key| names.get(&key).cloned()));
                ledger.hear(&id, peer, now);
                there.entry(id).or_default().push(peer.peer_id);
            }
        }
        self.ledger().attend(share, &there);
    }

    fn hear_of_departures(
        &self,
        inbox: &mut Inbox,
        names: &HashMap<AccessKey, FriendName>,
        swarms: &HashMap<TorrentId, TorrentId>,
    ) {
        let Some(departures) = &mut inbox.departures else { return };
        let mut ledger = self.ledger();
        while let Ok(Departure { info_hash, clock_s, peer }) = departures.try_recv() {
            let Some(share) = swarms.get(&info_hash) else { continue };
            let now = self.now();
            let since = now.clock_s.saturating_sub(clock_s);
            let then = Moment { clock_s, unix_s: now.unix_s - i64::from(since), ..now };
            let name = peer.key.and_then(|key| names.get(&key).cloned());
            ledger.hear(&(*share, name), &peer, then);
        }
    }

    fn hear_of_ends(&self, inbox: &mut Inbox) {
        let mut ledger = self.ledger();
        while let Ok(ended) = inbox.ended.try_recv() {
            ledger.end(&ended, self.now());
        }
    }

    /// What has passed over the connections of a share so far; `None` when there are none, or
    /// nobody says.
    async fn links(&self, view: &ShareView) -> Option<Vec<EndedLink>> {
        let torrent = view.share.id;
        if view.torrent.status.connected_peers == 0 {
            return None;
        }
        let peers = self.inner.engine.peers(torrent).await.ok()?;
        let link = |peer: &Peer| {
            let mut address = peer.address;
            address.set_ip(address.ip().to_canonical());
            let (sent, received) = (peer.uploaded_bytes, peer.downloaded_bytes);
            EndedLink { torrent, address, peer_id: peer.id, sent, received }
        };
        Some(peers.iter().map(link).collect())
    }

    async fn write_down(&self) {
        let _writing = self.inner.writing.lock().await;
        self.write_changes().await;
    }

    async fn write_changes(&self) {
        let changes = self.ledger().take_changes();
        if changes.is_empty() {
            return;
        }
        let ids = changes.iter().map(|(id, _)| id.clone()).collect();
        if let Err(error) = self.inner.store.put_accounts(changes).await {
            tracing::warn!(%error, "accounts of friends were not written down; trying again");
            self.ledger().give_back(ids);
        }
    }
}
