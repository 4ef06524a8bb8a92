//! The accounts of friends as arithmetic: what is claimed, what was seen, and what cannot be.
//!
//! A client says how much it sent and received since it started, again and again; the ledger adds
//! up what each announce has more than the one before. Nothing here waits, asks or reads a clock.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::account::Balance;
use crate::domain::account::ClientClaim;
use crate::domain::account::ShareBalance;
use crate::domain::hash::TorrentId;
use crate::domain::peer::EndedLink;
use crate::domain::share::FriendName;
use crate::domain::swarm::AnnounceEvent;
use crate::domain::swarm::SwarmPeer;

/// Clients remembered of each account, those that are there aside.
const CLIENTS_MAX: usize = 16;
/// Bytes of a share that may be claimed too much: what was under way when connections broke.
const SLACK_BYTES: u128 = 64 << 20;
/// The same as a part of what was received: what failed its hash, or came twice.
const SLACK_PARTS: u128 = 8;
/// Seconds for which a look at connections may be behind their ends.
const LOOK_BEHIND_S: u32 = 5;

/// When something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Second of the tracker's clock.
    pub(crate) clock_s: u32,
    /// Unix seconds.
    pub(crate) unix_s: i64,
    /// Who is there may have been there before this process was.
    pub(crate) is_young: bool,
}

/// A connection: whose torrent, where to, and what the other side calls itself.
type Link = (TorrentId, SocketAddr, [u8; 20]);

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<AccountId, Row>,
    /// What had passed over each connection at the last look: sent, received.
    links: HashMap<Link, (u64, u64)>,
    /// Connections that ended lately, with the second.
    ended: HashMap<Link, u32>,
    changed: HashSet<AccountId>,
    /// Which share took the place of which: connections of the former end after that. As many as
    /// new editions were made since the start.
    heirs: HashMap<TorrentId, TorrentId>,
}

#[derive(Debug, Default)]
struct Row {
    account: Account,
    /// Where and when a client last announced, by its peer id; empty after a start.
    heard: HashMap<[u8; 20], (u32, IpAddr)>,
}

/// What the members of a share together can have received.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    received: u128,
    from_others: u128,
}

impl Ledger {
    /// With what was kept.
    pub(crate) fn new(kept: Vec<(AccountId, Account)>) -> Self {
        let row = |(id, account)| (id, Row { account, ..Row::default() });
        Self { rows: kept.into_iter().map(row).collect(), ..Self::default() }
    }

    /// Takes note of what a peer of a share announced, `peer.age_s` seconds before `now`.
    pub(crate) fn hear(&mut self, id: &AccountId, peer: &SwarmPeer, now: Moment) {
        let said_s = now.clock_s.saturating_sub(peer.age_s);
        let row = self.rows.entry(id.clone()).or_default();
        let Row { account, heard } = row;
        let known = account.clients.iter_mut().find(|client| client.peer_id == peer.peer_id);
        let at = heard.get(&peer.peer_id).map(|(at, _)| *at);
        if is_old_news(known.as_deref(), at, peer, said_s) {
            return;
        }
        let (before, client) = match known {
            Some(client) => (*client, client),
            None => {
                if now.is_young && peer.event != AnnounceEvent::Started {
                    account.up_before = account.up_before.saturating_add(peer.uploaded);
                }
                let new = ClientClaim { peer_id: peer.peer_id, ..ClientClaim::default() };
                account.clients.push(new);
                let last = account.clients.len() - 1;
                (new, &mut account.clients[last])
            }
        };
        *client = claim_of(peer);
        let (up, down) = (client.uploaded, client.downloaded);
        let (up, down) = grown((before.uploaded, before.downloaded), (up, down));
        account.claimed_up = account.claimed_up.saturating_add(up);
        account.claimed_down = account.claimed_down.saturating_add(down);
        account.is_complete |= peer.is_seeder;
        account.seen_at = account.seen_at.max(now.unix_s - i64::from(peer.age_s));
        heard.insert(peer.peer_id, (said_s, peer.address.ip()));
        self.changed.insert(id.clone());
    }

    /// Takes note of which clients of a share are there now.
    pub(crate) fn attend(&mut self, share: TorrentId, there: &HashMap<AccountId, Vec<[u8; 20]>>) {
        let nobody = Vec::new();
        for (id, row) in rows_of(&mut self.rows, share) {
            let present = there.get(id).unwrap_or(&nobody);
            let has_several = present.iter().any(|one| *one != present[0]);
            if has_several && !row.account.has_several {
                row.account.has_several = true;
                self.changed.insert(id.clone());
            }
            row.forget_clients(present);
        }
    }

    /// Takes note of what passed over a share's connections up to now. Those that are missing in
    /// `links` and did not say farewell are forgotten.
    pub(crate) fn look(&mut self, share: TorrentId, links: &[EndedLink], now: Moment) {
        self.ended.retain(|_, at| now.clock_s.saturating_sub(*at) <= LOOK_BEHIND_S);
        let key = |link: &EndedLink| (share, link.address, link.peer_id);
        let open: HashSet<Link> = links.iter().map(key).collect();
        self.links.retain(|link, _| link.0 != share || open.contains(link));
        for link in links {
            if !self.ended.contains_key(&key(link)) {
                self.carry(link, now);
            }
        }
    }

    /// Takes note of a connection's end.
    pub(crate) fn end(&mut self, link: &EndedLink, now: Moment) {
        self.carry(link, now);
        let key = (link.torrent, link.address, link.peer_id);
        self.links.remove(&key);
        self.ended.insert(key, now.clock_s);
    }

    fn carry(&mut self, link: &EndedLink, now: Moment) {
        let key = (link.torrent, link.address, link.peer_id);
        let so_far = (link.sent, link.received);
        let before = self.links.insert(key, so_far).unwrap_or_default();
        let (sent, received) = grown(before, so_far);
        if (sent, received) == (0, 0) {
            return;
        }
        let share = self.heirs.get(&link.torrent).copied().unwrap_or(link.torrent);
        let id = (share, self.friend_at(share, link));
        let account = &mut self.rows.entry(id.clone()).or_default().account;
        account.sent = account.sent.saturating_add(sent);
        account.received = account.received.saturating_add(received);
        account.seen_at = account.seen_at.max(now.unix_s);
        self.changed.insert(id);
    }

    /// Whose connection it is: who announced under this peer id, from there if there are several;
    /// else the only one who announced from there. `None` when that is not certain.
    fn friend_at(&self, share: TorrentId, link: &EndedLink) -> Option<FriendName> {
        let ip = link.address.ip();
        let rows = || self.rows.range((share, None)..).take_while(|(id, _)| id.0 == share);
        let has_id = |row: &Row| row.account.clients.iter().any(|c| c.peer_id == link.peer_id);
        let has_both = |row: &Row| row.heard.get(&link.peer_id).is_some_and(|heard| heard.1 == ip);
        let has_ip = |row: &Row| row.heard.values().any(|heard| heard.1 == ip);
        let only = |fits: &dyn Fn(&Row) -> bool| {
            let mut fitting = rows().filter(|(_, row)| fits(row)).map(|(id, _)| &id.1);
            let first = fitting.next()?;
            fitting.next().is_none().then(|| first.clone())
        };
        only(&has_both).or_else(|| only(&has_id)).or_else(|| only(&has_ip)).flatten()
    }

    /// Puts accounts of names that are none of `friends` together with those of strangers: what was
    /// received by them was received all the same.
    pub(crate) fn fold(&mut self, is_friend: impl Fn(&FriendName) -> bool) {
        let is_gone = |id: &AccountId| id.1.as_ref().is_some_and(|name| !is_friend(name));
        let gone: Vec<AccountId> = self.rows.keys().filter(|id| is_gone(id)).cloned().collect();
        for id in gone {
            let Some(row) = self.rows.remove(&id) else { continue };
            let rest = (id.0, None);
            self.rows.entry(rest.clone()).or_default().take_in(row);
            self.changed.extend([id, rest]);
        }
    }

    /// `new` is the new edition of the share `old`: the accounts go on under it.
    pub(crate) fn move_share(&mut self, old: TorrentId, new: TorrentId) {
        let moving: Vec<AccountId> =
            rows_of(&mut self.rows, old).map(|(id, _)| id.clone()).collect();
        for id in moving {
            let Some(Row { account, heard }) = self.rows.remove(&id) else { continue };
            let moved = (new, id.1.clone());
            let row = Row { account: account.carried_over(), heard };
            self.rows.entry(moved.clone()).or_default().take_in(row);
            self.changed.extend([id, moved]);
        }
        // A folder may become again what it was once.
        self.heirs.remove(&new);
        self.heirs.values_mut().filter(|heir| **heir == old).for_each(|heir| *heir = new);
        self.heirs.insert(old, new);
    }

    /// What changed since the last call, to be kept; `None` = to be forgotten.
    pub(crate) fn take_changes(&mut self) -> Vec<(AccountId, Option<Account>)> {
        let changed = std::mem::take(&mut self.changed);
        let now = |id: AccountId| {
            let account = self.rows.get(&id).map(|row| row.account.clone());
            (id, account)
        };
        changed.into_iter().map(now).collect()
    }

    /// Changes could not be kept.
    pub(crate) fn give_back(&mut self, ids: Vec<AccountId>) {
        self.changed.extend(ids);
    }

    /// Every friend with an account.
    pub(crate) fn balances(&self) -> BTreeMap<FriendName, Balance> {
        let mut rooms: HashMap<TorrentId, Room> = HashMap::new();
        for (id, row) in &self.rows {
            let room = rooms.entry(id.0).or_default();
            room.received += u128::from(row.account.claimed_down.max(row.account.sent));
            room.from_others += row.taken_from_others();
        }
        let mut balances: BTreeMap<FriendName, Balance> = BTreeMap::new();
        for (id, row) in &self.rows {
            let Some(name) = &id.1 else { continue };
            let room = rooms.get(&id.0).copied().unwrap_or_default();
            balances.entry(name.clone()).or_default().add(&row.in_share(id.0, room));
        }
        balances
    }
}

impl Row {
    /// Bytes that they can have received from others than our own client.
    fn taken_from_others(&self) -> u128 {
        let account = &self.account;
        let all = u128::from(account.claimed_down) + u128::from(account.unsaid());
        all.saturating_sub(account.sent.into())
    }

    /// Nobody can have sent more than the others received, from anybody but us, and we received
    /// from them. Clients of one friend that are there together may serve each other.
    fn in_share(&self, share: TorrentId, room: Room) -> ShareBalance {
        let account = &self.account;
        let own = if account.has_several { 0 } else { self.taken_from_others() };
        let possible = room.from_others - own + u128::from(account.received);
        let allowed = possible + room.received / SLACK_PARTS + SLACK_BYTES;
        let judged = u128::from(account.claimed_up.saturating_sub(account.up_before));
        ShareBalance {
            share,
            claimed_up: account.claimed_up,
            claimed_down: account.claimed_down,
            sent: account.sent,
            received: account.received,
            is_complete: account.is_complete,
            seen_at: account.seen_at,
            excess: u64::try_from(judged.saturating_sub(allowed)).unwrap_or(u64::MAX),
        }
    }

    /// Forgets the clients that were heard of longest ago. What they may have received stays.
    fn forget_clients(&mut self, present: &[[u8; 20]]) {
        let Self { account, heard } = self;
        let absent = account.clients.iter().filter(|one| !present.contains(&one.peer_id)).count();
        for _ in CLIENTS_MAX..absent {
            let at = |id: &[u8; 20]| heard.get(id).map(|heard| heard.0);
            let clients = account.clients.iter().enumerate();
            let absent = clients.filter(|(_, one)| !present.contains(&one.peer_id));
            let oldest = absent.min_by_key(|(_, one)| at(&one.peer_id)).map(|(place, _)| place);
            let Some(oldest) = oldest.map(|place| account.clients.remove(place)) else { return };
            heard.remove(&oldest.peer_id);
            let unsaid = if oldest.has_left { 0 } else { oldest.left };
            account.unsaid_down = account.unsaid_down.saturating_add(unsaid);
        }
    }

    fn take_in(&mut self, other: Self) {
        self.account.take_in(other.account);
        self.heard.extend(other.heard);
    }
}

impl Balance {
    fn add(&mut self, one: &ShareBalance) {
        self.claimed_up = self.claimed_up.saturating_add(one.claimed_up);
        self.claimed_down = self.claimed_down.saturating_add(one.claimed_down);
        self.sent = self.sent.saturating_add(one.sent);
        self.received = self.received.saturating_add(one.received);
        self.excess = self.excess.saturating_add(one.excess);
        self.seen_at = self.seen_at.max((one.seen_at > 0).then_some(one.seen_at));
        self.complete.extend(one.is_complete.then_some(one.share));
        self.shares.push(*one);
    }
}

/// Whether an announce says nothing that is not known already: it was made before the last one that
/// was heard, or is that one. A client of both address families is there twice, each time with what
/// it said last over that one.
fn is_old_news(
    known: Option<&ClientClaim>,
    heard_s: Option<u32>,
    peer: &SwarmPeer,
    said_s: u32,
) -> bool {
    let (Some(known), Some(heard_s)) = (known, heard_s) else { return false };
    let is_less = peer.uploaded < known.uploaded || peer.downloaded < known.downloaded;
    said_s < heard_s || said_s == heard_s && (is_less || claim_of(peer) == *known)
}

fn claim_of(peer: &SwarmPeer) -> ClientClaim {
    ClientClaim {
        peer_id: peer.peer_id,
        uploaded: peer.uploaded,
        downloaded: peer.downloaded,
        left: peer.left,
        has_left: peer.event == AnnounceEvent::Stopped,
    }
}

/// How much two numbers grew that start over together.
fn grown(before: (u64, u64), now: (u64, u64)) -> (u64, u64) {
    match (now.0.checked_sub(before.0), now.1.checked_sub(before.1)) {
        (Some(one), Some(other)) => (one, other),
        _ => now,
    }
}

fn rows_of(
    rows: &mut BTreeMap<AccountId, Row>,
    share: TorrentId,
) -> impl Iterator<Item = (&AccountId, &mut Row)> {
    rows.range_mut((share, None)..).take_while(move |(id, _)| id.0 == share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: TorrentId = TorrentId([7; 20]);
    const GIB: u64 = 1 << 30;

    fn id(name: &str) -> AccountId {
        (SHARE, Some(name.parse().unwrap()))
    }

    fn at(clock_s: u32) -> Moment {
        Moment { clock_s, unix_s: 1_000_000 + i64::from(clock_s), is_young: false }
    }

    /// A client, by the last byte of its peer id and of its address, with what it claims.
    fn peer(number: u8, uploaded: u64, downloaded: u64, left: u64) -> SwarmPeer {
        SwarmPeer {
            peer_id: [number; 20],
            address: SocketAddr::from(([203, 0, 113, number], 6881)),
            uploaded,
            downloaded,
            left,
            event: AnnounceEvent::None,
            age_s: 0,
            is_seeder: left == 0,
            is_own: false,
            key: None,
        }
    }

    fn link(number: u8, sent: u64, received: u64) -> EndedLink {
        EndedLink {
            torrent: SHARE,
            address: SocketAddr::from(([203, 0, 113, number], 50_000)),
            peer_id: [number; 20],
            sent,
            received,
        }
    }

    fn stopped(peer: SwarmPeer) -> SwarmPeer {
        SwarmPeer { event: AnnounceEvent::Stopped, ..peer }
    }

    #[track_caller]
    fn assert_claims(ledger: &Ledger, name: &str, claims: (u64, u64)) {
        let balance = &ledger.balances()[&name.parse().unwrap()];
        assert_eq!((balance.claimed_up, balance.claimed_down), claims);
    }

    #[test]
    fn claims_are_added_up_over_announces_restarts_and_address_families() {
        let mut ledger = Ledger::default();
        ledger.hear(&id("anna"), &peer(1, 10, 100, 900), at(100));
        ledger.hear(&id("anna"), &peer(1, 30, 400, 600), at(200));
        let old = SwarmPeer { age_s: 100, ..peer(1, 10, 100, 900) };
        ledger.hear(&id("anna"), &old, at(210));
        assert_claims(&ledger, "anna", (30, 400));
        ledger.hear(&id("anna"), &stopped(peer(1, 40, 500, 500)), at(300));
        assert_claims(&ledger, "anna", (40, 500));
        // The same client begins again, then one with another name.
        ledger.hear(&id("anna"), &peer(1, 1, 2, 498), at(400));
        ledger.hear(&id("anna"), &peer(2, 3, 498, 0), at(500));
        assert_claims(&ledger, "anna", (44, 1000));
        let balance = &ledger.balances()[&"anna".parse().unwrap()];
        assert_eq!(balance.complete, [SHARE]);
        assert_eq!(balance.seen_at, Some(1_000_500));
    }

    #[test]
    fn a_process_that_starts_again_goes_on_where_it_was() {
        let mut ledger = Ledger::default();
        ledger.hear(&id("anna"), &peer(1, 10, 100, 900), at(100));
        let kept = ledger.take_changes();
        assert!(ledger.take_changes().is_empty());
        let kept = kept.into_iter().map(|(id, account)| (id, account.unwrap())).collect();
        let mut again = Ledger::new(kept);
        again.hear(&id("anna"), &peer(1, 15, 150, 850), at(5));
        assert_claims(&again, "anna", (15, 150));
        assert_eq!(again.take_changes().len(), 1);
    }

    #[test]
    fn what_passed_is_counted_once_whether_seen_open_or_at_the_end() {
        let mut ledger = Ledger::default();
        ledger.hear(&id("anna"), &peer(1, 0, 0, 900), at(100));
        ledger.hear(&id("bert"), &peer(2, 0, 0, 900), at(100));
        ledger.look(SHARE, &[link(1, 10, 1), link(2, 5, 0)], at(100));
        ledger.look(SHARE, &[link(1, 30, 2), link(2, 5, 0)], at(110));
        ledger.end(&link(1, 50, 3), at(112));
        ledger.look(SHARE, &[link(1, 50, 3), link(2, 5, 0)], at(113));
        // Again from the same place, and known by its address alone.
        ledger.look(SHARE, &[link(1, 7, 0), link(2, 5, 0)], at(130));
        ledger.end(&EndedLink { peer_id: [9; 20], ..link(2, 8, 0) }, at(131));
        // Nobody who ever announced.
        ledger.end(&link(3, 1000, 0), at(132));
        let balances = ledger.balances();
        let seen = |name: &str| {
            let balance = &balances[&name.parse().unwrap()];
            (balance.sent, balance.received)
        };
        assert_eq!((seen("anna"), seen("bert")), ((57, 3), (13, 0)));
        assert_eq!(balances.len(), 2);
    }

    /// What was sent was received: by the others, as they say or may not have said yet, or by us.
    #[test]
    fn who_claims_what_nobody_can_have_received_is_marked_and_nobody_else() {
        let excess = |ledger: &Ledger, name: &str| ledger.balances()[&name.parse().unwrap()].excess;
        let mut ledger = Ledger::default();
        // We sent 10 GiB to anna; she sent them on to bert, who says so a half hour later.
        ledger.hear(&id("anna"), &peer(1, 0, 0, 10 * GIB), at(1));
        ledger.hear(&id("bert"), &peer(2, 0, 0, 10 * GIB), at(1));
        ledger.end(&link(1, 10 * GIB, 0), at(900));
        ledger.hear(&id("anna"), &peer(1, 10 * GIB, 10 * GIB, 0), at(1000));
        assert_eq!((excess(&ledger, "anna"), excess(&ledger, "bert")), (0, 0), "bert may have it");
        ledger.hear(&id("bert"), &stopped(peer(2, 0, 10 * GIB, 0)), at(1800));
        assert_eq!((excess(&ledger, "anna"), excess(&ledger, "bert")), (0, 0));
        // He comes back and says that he sent it to somebody: we had it, and anna got it from us.
        ledger.hear(&id("bert"), &peer(3, 5 * GIB, 0, 0), at(1900));
        assert_eq!(excess(&ledger, "anna"), 0);
        assert!(excess(&ledger, "bert") > 2 * GIB);
        // What we received from him counts, and so do strangers with a key.
        ledger.end(&link(3, 0, 3 * GIB), at(2000));
        assert_eq!(excess(&ledger, "bert"), 0);
    }

    #[test]
    fn two_clients_of_one_friend_may_serve_each_other() {
        let mut ledger = Ledger::default();
        let (one, other) = (peer(1, GIB, 0, 0), peer(2, 0, GIB, 0));
        ledger.hear(&id("anna"), &one, at(1));
        ledger.hear(&id("anna"), &other, at(1));
        assert!(ledger.balances()[&"anna".parse().unwrap()].excess > 0);
        let both = HashMap::from([(id("anna"), vec![one.peer_id, other.peer_id])]);
        ledger.attend(SHARE, &both);
        assert_eq!(ledger.balances()[&"anna".parse().unwrap()].excess, 0);
    }

    /// Nobody can tell what others received before this process was there to hear of it.
    #[test]
    fn what_was_claimed_before_the_start_is_not_judged() {
        let mut ledger = Ledger::default();
        let young = Moment { is_young: true, ..at(1) };
        ledger.hear(&id("anna"), &peer(1, 100 * GIB, 0, 0), young);
        assert_eq!(ledger.balances()[&"anna".parse().unwrap()].excess, 0);
        let begun = SwarmPeer { event: AnnounceEvent::Started, ..peer(2, 100 * GIB, 0, 0) };
        ledger.hear(&id("bert"), &begun, young);
        assert!(ledger.balances()[&"bert".parse().unwrap()].excess > 99 * GIB);
    }

    #[test]
    fn a_name_that_is_gone_leaves_its_bytes_to_the_others() {
        let mut ledger = Ledger::default();
        ledger.hear(&id("anna"), &peer(1, GIB, 0, 0), at(1));
        ledger.hear(&id("bert"), &peer(2, 0, GIB, 0), at(1));
        let _ = ledger.take_changes();
        ledger.fold(|name| name.as_str() == "anna");
        let changes = ledger.take_changes();
        let gone = changes.iter().find(|(id, _)| *id == self::id("bert")).unwrap();
        assert_eq!((&gone.1, changes.len()), (&None, 2));
        let balances = ledger.balances();
        assert_eq!((balances.len(), balances[&"anna".parse().unwrap()].excess), (1, 0));
    }

    #[test]
    fn a_new_edition_goes_on_with_the_accounts_of_the_former() {
        let (new, newer) = (TorrentId([8; 20]), TorrentId([9; 20]));
        let mut ledger = Ledger::default();
        ledger.hear(&id("anna"), &peer(1, 10, 900, 0), at(100));
        ledger.hear(&id("bert"), &peer(2, 0, 300, 600), at(100));
        ledger.look(SHARE, &[link(1, 700, 5)], at(100));
        let _ = ledger.take_changes();
        ledger.move_share(SHARE, new);
        assert_eq!(ledger.take_changes().len(), 4, "two are forgotten, two are kept");
        // Its last words come later, and the same client counts anew.
        ledger.end(&link(1, 900, 10), at(101));
        ledger.hear(&(new, Some("anna".parse().unwrap())), &peer(1, 20, 950, 50), at(102));
        let anna = ledger.balances().remove(&"anna".parse().unwrap()).unwrap();
        assert_eq!((anna.claimed_up, anna.claimed_down), (30, 1850));
        assert_eq!((anna.sent, anna.received), (900, 10));
        assert_eq!(anna.shares.iter().map(|one| one.share).collect::<Vec<_>>(), [new]);
        assert_eq!((anna.complete.len(), anna.seen_at), (0, Some(1_000_102)));
        let kept = &ledger.rows[&(new, Some("bert".parse().unwrap()))].account;
        assert_eq!(kept.unsaid(), 600, "what he may have received of it unsaid stays");
        ledger.move_share(new, newer);
        ledger.end(&EndedLink { torrent: SHARE, ..link(1, 7, 0) }, at(103));
        assert_eq!(ledger.balances()[&"anna".parse().unwrap()].sent, 907);
        // As it was at first.
        ledger.move_share(newer, SHARE);
        ledger.end(&link(1, 3, 0), at(104));
        let anna = &ledger.balances()[&"anna".parse().unwrap()];
        assert_eq!((anna.sent, anna.shares[0].share), (910, SHARE));
    }

    #[test]
    fn clients_are_forgotten_and_what_they_may_have_received_is_not() {
        let mut ledger = Ledger::default();
        for number in 0..40 {
            ledger.hear(&id("anna"), &peer(number, 0, 1, 100), at(u32::from(number)));
        }
        ledger.attend(SHARE, &HashMap::from([(id("anna"), vec![[0; 20]])]));
        let account = ledger.take_changes().remove(0).1.unwrap();
        assert_eq!((account.clients.len(), account.unsaid()), (CLIENTS_MAX + 1, 4000));
        assert!(account.clients.iter().any(|client| client.peer_id == [0; 20]), "it is there");
    }
}
