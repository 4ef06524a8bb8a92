//! Friends: keys with names. What a friend takes away holds the friend's own key, so that one can
//! be shut out without the others noticing.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::watch;

use crate::domain::access::AccessKey;
use crate::domain::access::KeyRecord;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::share::Friend;
use crate::domain::share::FriendName;
use crate::domain::share::Invite;
use crate::domain::share::InviteToken;
use crate::engine::Engine;
use crate::service::access::end_of;
use crate::service::access::random_key;
use crate::service::access::unix_now_s;
use crate::service::members::Members;
use crate::service::metainfo;
use crate::service::shares::ShareView;
use crate::service::shares::Shares;
use crate::service::upkeep::told;
use crate::store::Store;
use crate::tracker::Tracker;

/// Friends in all: each has a number in the tracker's table.
const FRIENDS_MAX: usize = 10_000;
/// How often members are judged again without a reason.
const JUDGE_EVERY: Duration = Duration::from_secs(30);
/// Links in all.
const INVITES_MAX: usize = 10_000;
/// Characters that must be given of a token to mean one.
const TOKEN_SHOWN_MIN: usize = 4;
/// The first part of the path of a link.
const LINK_PATH: &str = "/i/";

/// How a friend is to be let in.
#[derive(Clone, Debug, Default)]
pub struct FriendWish {
    /// For how many seconds from now; `None` = for ever.
    pub seconds: Option<u64>,
    /// To which shares; `None` = all, also those to come.
    pub shares: Option<Vec<TorrentId>>,
}

/// How long a link is good.
#[derive(Clone, Copy, Debug, Default)]
pub struct InviteWish {
    /// For how many seconds from now; `None` = as long as the friend's key is.
    pub seconds: Option<u64>,
    /// How often the torrent may be taken; `None` = any number of times.
    pub uses: Option<u32>,
}

/// What a friend is given.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The link's part.
    pub invite: Invite,
    /// Links to the page, the best one first; empty when there is no HTTP beside the tracker.
    pub links: Vec<String>,
    /// With the friend's key.
    pub magnet: String,
    /// With the friend's key, in tiers.
    pub announce_urls: Vec<Vec<String>>,
}

/// What the page behind a link shows. It has all that the torrent says and nothing else.
#[derive(Clone, Debug)]
pub struct InvitePage {
    /// To what.
    pub view: ShareView,
    /// For whom.
    pub friend: FriendName,
    /// With the friend's key.
    pub magnet: String,
}

/// The friends and their invites; a cheap handle.
#[derive(Clone)]
pub struct Friends {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    tracker: Tracker,
    engine: Engine,
    members: Members,
    shares: Shares,
    table: RwLock<BTreeMap<FriendName, Friend>>,
    invites: Mutex<HashMap<InviteToken, Invite>>,
    /// The .torrent files of shares with invites, which are handed out without waiting.
    files: DashMap<TorrentId, Arc<[u8]>>,
    /// One change of friends at a time, so that store and memory agree.
    turn: tokio::sync::Mutex<()>,
}

impl Friends {
    /// Those that were kept; from here on their keys let in only where they may.
    pub fn new(
        (store, tracker, engine): (Store, Tracker, Engine),
        (members, shares): (Members, Shares),
        kept: Vec<Friend>,
        invites: Vec<Invite>,
    ) -> Self {
        let table = kept.into_iter().map(|friend| (friend.name.clone(), friend)).collect();
        let invites = invites.into_iter().map(|invite| (invite.token, invite)).collect();
        let (table, invites) = (RwLock::new(table), Mutex::new(invites));
        let turn = tokio::sync::Mutex::new(());
        let files = DashMap::new();
        let inner = Inner { store, tracker, engine, members, shares, table, invites, files, turn };
        let friends = Self { inner: Arc::new(inner) };
        friends.list().iter().for_each(|friend| friends.limit(friend));
        friends
    }

    /// Gives somebody a key and a name.
    ///
    /// # Errors
    /// Conflict for a name that is there already; `NotFound` for a share that is not; Invalid, when
    /// it would end after the year 9999; those of the store.
    pub async fn add(&self, name: FriendName, wish: FriendWish) -> Result<Friend> {
        let _turn = self.inner.turn.lock().await;
        for share in wish.shares.iter().flatten() {
            self.inner.shares.get(*share)?;
        }
        self.has_room_for(&name)?;
        let made_at = unix_now_s();
        let friend = Friend {
            name,
            key: random_key()?,
            made_at,
            valid_until: wish.seconds.map(|seconds| end_of(made_at, seconds)).transpose()?,
            revoked_at: None,
            shares: wish.shares,
        };
        self.inner.store.put_friend(friend.clone()).await?;
        let (key, valid_until) = (friend.key, friend.valid_until);
        self.inner.tracker.add_key(KeyRecord { key, valid_until });
        self.limit(&friend);
        self.put(friend.clone());
        Ok(friend)
    }

    /// Shuts a friend out: the key is dead from the next packet on, the friend's peers leave the
    /// swarms, the engine disconnects them, the links are gone. The name stays in the list.
    ///
    /// # Errors
    /// `NotFound`; those of the store, and nothing is changed then.
    pub async fn revoke(&self, name: &FriendName) -> Result<Friend> {
        let _turn = self.inner.turn.lock().await;
        let mut friend = self.get(name)?;
        friend.revoked_at.get_or_insert(unix_now_s());
        self.inner.store.put_friend(friend.clone()).await?;
        self.put(friend.clone());
        self.shut_out(&friend).await;
        Ok(friend)
    }

    /// Shuts a friend out and forgets the name.
    ///
    /// # Errors
    /// As [`Friends::revoke`].
    pub async fn remove(&self, name: &FriendName) -> Result<()> {
        let _turn = self.inner.turn.lock().await;
        let friend = self.get(name)?;
        self.inner.store.remove_friend(friend.clone()).await?;
        self.inner.table.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.shut_out(&friend).await;
        Ok(())
    }

    fn has_room_for(&self, name: &FriendName) -> Result<()> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        if table.contains_key(name) {
            return Err(Error::conflict(format!("there is a friend `{name}` already")));
        }
        if table.len() >= FRIENDS_MAX {
            return Err(Error::conflict(format!("there are {FRIENDS_MAX} friends already")));
        }
        Ok(())
    }

    fn forget_invites(&self, name: &FriendName) {
        let mut invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        invites.retain(|_, invite| invite.friend != *name);
    }

    async fn shut_out(&self, friend: &Friend) {
        self.inner.tracker.remove_key(&friend.key);
        self.forget_invites(&friend.name);
        judge_again(&self.inner.engine, &self.inner.members).await;
    }

    /// All friends, by name; revoked ones too.
    pub fn list(&self) -> Vec<Friend> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        table.values().cloned().collect()
    }

    /// One friend.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, name: &FriendName) -> Result<Friend> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        let found = table.get(name).cloned();
        found.ok_or_else(|| Error::not_found(format!("there is no friend `{name}`")))
    }

    /// Whose key it is.
    pub fn by_key(&self, key: &AccessKey) -> Option<FriendName> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        table.values().find(|friend| friend.key == *key).map(|friend| friend.name.clone())
    }

    /// Makes a link that shows a friend a share.
    ///
    /// # Errors
    /// `NotFound`; Conflict for a friend whose key does not let in to it; those of the store.
    pub async fn invite(
        &self,
        name: &FriendName,
        share: TorrentId,
        wish: InviteWish,
    ) -> Result<Invitation> {
        let _turn = self.inner.turn.lock().await;
        let (friend, view) = (self.get(name)?, self.inner.shares.get(share)?);
        let made_at = unix_now_s();
        if !friend.may_have(share) || friend.valid_until.is_some_and(|last| last < made_at) {
            let message = format!("the key of `{name}` does not let in to this share");
            return Err(Error::conflict(message));
        }
        if self.invites().len() >= INVITES_MAX {
            return Err(Error::conflict(format!("there are {INVITES_MAX} invites already")));
        }
        let invite = Invite {
            token: InviteToken::new(random_key()?),
            friend: friend.name,
            share,
            made_at,
            valid_until: wish.seconds.map(|seconds| end_of(made_at, seconds)).transpose()?,
            uses_left: wish.uses,
        };
        self.read_file(share).await?;
        self.inner.store.put_invite(invite.clone()).await?;
        let mut invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        invites.insert(invite.token, invite.clone());
        drop(invites);
        let shares = &self.inner.shares;
        Ok(Invitation {
            links: shares.page_urls(&format!("{LINK_PATH}{}", invite.token.as_str())),
            magnet: shares.magnet(&view, Some(&friend.key)),
            announce_urls: shares.announce_urls(Some(&friend.key)),
            invite,
        })
    }

    /// All links, the first made first.
    pub fn invites(&self) -> Vec<Invite> {
        let invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Invite> = invites.values().cloned().collect();
        drop(invites);
        all.sort_by_key(|invite| (invite.made_at, invite.token));
        all
    }

    /// The link whose token begins so.
    ///
    /// # Errors
    /// `NotFound`; Invalid, when it is too short, or fits several.
    pub fn find_invite(&self, beginning: &str) -> Result<InviteToken> {
        if beginning.len() < TOKEN_SHOWN_MIN {
            let message = format!("give at least {TOKEN_SHOWN_MIN} characters of the link's token");
            return Err(Error::invalid(message));
        }
        let fits = |invite: &Invite| invite.token.as_str().starts_with(beginning);
        let mut fitting = self.invites().into_iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(invite), None) => Ok(invite.token),
            (Some(_), Some(_)) => Err(Error::invalid("several links begin so; give more of it")),
            (None, _) => Err(Error::not_found("there is no such link")),
        }
    }

    /// Takes a link back; tells whether it was there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_invite(&self, token: InviteToken) -> Result<bool> {
        let _turn = self.inner.turn.lock().await;
        let was_kept = self.inner.store.remove_invite(token).await?;
        let mut invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(invites.remove(&token).is_some() || was_kept)
    }

    /// A friend's own .torrent file of a share.
    ///
    /// # Errors
    /// `NotFound`, also for a share that the friend may not have; those of the store.
    pub async fn torrent_file(&self, name: &FriendName, share: TorrentId) -> Result<Vec<u8>> {
        let friend = self.get(name)?;
        if !friend.may_have(share) {
            return Err(Error::not_found(format!("`{name}` has no such share")));
        }
        self.inner.shares.torrent_file(share, Some(&friend.key)).await
    }

    /// What the page behind a link shows. Memory only.
    ///
    /// # Errors
    /// `NotFound` for a link that was never there, or is good no more: nobody learns which.
    pub fn page(&self, token: InviteToken) -> Result<InvitePage> {
        let invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, friend, view) = self.opened(&invites, token)?;
        drop(invites);
        let magnet = self.inner.shares.magnet(&view, Some(&friend.key));
        Ok(InvitePage { view, friend: friend.name, magnet })
    }

    /// The .torrent file behind a link, with the torrent's name; one use less is left of the link.
    /// Memory only: the store is told beside the answer.
    ///
    /// # Errors
    /// As [`Friends::page`]; Busy, in the first moments after a start.
    pub fn take(&self, token: InviteToken) -> Result<(String, Vec<u8>)> {
        let mut invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut invite, friend, view) = self.opened(&invites, token)?;
        let file = self.inner.files.get(&invite.share).map(|file| Arc::clone(&file));
        let file = file.ok_or_else(|| Error::busy("the torrent file is still being read"))?;
        if let Some(left) = invite.uses_left {
            invite.uses_left = Some(left.saturating_sub(1));
            invites.insert(token, invite.clone());
            let store = self.inner.store.clone();
            tokio::spawn(async move {
                if let Err(error) = store.put_invite(invite).await {
                    tracing::warn!(%error, "the use of an invitation was not kept");
                }
            });
        }
        drop(invites);
        let urls = self.inner.shares.announce_urls(Some(&friend.key));
        Ok((view.torrent.name.to_string(), metainfo::with_trackers(&file, &urls)?))
    }

    /// Keeps friends and links as they are until the value is dropped.
    pub(super) async fn still(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.turn.lock().await
    }

    /// The share `new` has taken the place of `old` in the store; now friends and links mean it.
    pub(super) async fn move_share(
        &self,
        _still: &tokio::sync::MutexGuard<'_, ()>,
        old: TorrentId,
        new: TorrentId,
    ) {
        for mut friend in self.list() {
            if let Some(share) = friend.shares.iter_mut().flatten().find(|share| **share == old) {
                *share = new;
                self.put(friend.clone());
                self.limit(&friend);
            }
        }
        if let Err(error) = self.read_file(new).await {
            tracing::warn!(%error, share = %new, "cannot read the torrent of an invitation");
        }
        let moved = self.move_invites(old, new);
        self.inner.files.remove(&old);
        // One may have been used just now, and be on its way to the store as it was.
        for invite in moved {
            if let Err(error) = self.inner.store.put_invite(invite).await {
                tracing::warn!(%error, "an invitation was not kept");
            }
        }
    }

    fn move_invites(&self, old: TorrentId, new: TorrentId) -> Vec<Invite> {
        let mut invites = self.inner.invites.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = invites.values_mut().filter(|invite| invite.share == old);
        let mut kept = Vec::new();
        for invite in moved {
            invite.share = new;
            kept.push(invite.clone());
        }
        kept
    }

    /// Reads the torrent files that links lead to, so that they can be handed out from memory.
    pub async fn read_files(self) {
        let shares: HashSet<TorrentId> =
            self.invites().into_iter().map(|invite| invite.share).collect();
        for share in shares {
            if let Err(error) = self.read_file(share).await {
                tracing::warn!(%error, torrent = %share, "cannot read the torrent of an invitation");
            }
        }
    }

    async fn read_file(&self, share: TorrentId) -> Result<()> {
        if let Some(file) = self.inner.store.metadata_file(share).await? {
            self.inner.files.insert(share, file.into());
        }
        Ok(())
    }

    /// A link that is good now, with whom and what it is for.
    fn opened(
        &self,
        invites: &HashMap<InviteToken, Invite>,
        token: InviteToken,
    ) -> Result<(Invite, Friend, ShareView)> {
        let gone = || Error::not_found("this invitation is not, or no longer, good");
        let invite = invites.get(&token).cloned().ok_or_else(gone)?;
        let friend = self.get(&invite.friend).map_err(|_| gone())?;
        let now = unix_now_s();
        let is_over = |end: Option<i64>| end.is_some_and(|last| last < now);
        if is_over(invite.valid_until)
            || is_over(friend.valid_until)
            || invite.uses_left == Some(0)
            || !friend.may_have(invite.share)
        {
            return Err(gone());
        }
        let view = self.inner.shares.get(invite.share).map_err(|_| gone())?;
        Ok((invite, friend, view))
    }

    fn put(&self, friend: Friend) {
        let mut table = self.inner.table.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(friend.name.clone(), friend);
    }

    /// Has the tracker let a friend's key in to the friend's shares only.
    fn limit(&self, friend: &Friend) {
        let members = &self.inner.members;
        let swarms_of = |share: &TorrentId| members.swarms(*share).unwrap_or(vec![*share]);
        let only = friend.shares.as_ref().map(|shares| shares.iter().flat_map(swarms_of));
        self.inner.tracker.limit_key(&friend.key, only.map(HashSet::from_iter));
    }
}

/// Judges members again now and then, until `stop` turns true: keys expire, and are taken away by
/// whoever knows nothing of friends.
pub async fn keep_out(engine: Engine, members: Members, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            () = tokio::time::sleep(JUDGE_EVERY) => judge_again(&engine, &members).await,
        }
    }
}

/// Disconnects whoever is no member any more, from every share that is for members.
pub async fn judge_again(engine: &Engine, members: &Members) {
    for share in members.closed() {
        if let Err(error) = engine.judge_again(share).await {
            tracing::debug!(%error, torrent = %share, "nobody of a share was judged again");
        }
    }
}
