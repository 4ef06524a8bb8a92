//! Shares: the user's own files as a tracked, seeded swarm, by one call.
//!
//! A share's torrent carries no announce URLs of its own. Our client is a member of its swarms by
//! itself, and whoever takes the torrent away gets the URLs that are good for them at that moment.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::sync::broadcast::error::RecvError;

use crate::domain::access::AccessKey;
use crate::domain::access::Mode;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::AnyHash;
use crate::domain::hash::TorrentId;
use crate::domain::share::Share;
pub use crate::domain::share::ShareWish;
use crate::domain::torrent::Torrent;
use crate::domain::torrent_flags::TorrentFlags;
use crate::engine::AddOptions;
use crate::engine::Engine;
use crate::engine::Prepared;
use crate::service::access::unix_now_s;
use crate::service::authoring::AuthorWish;
use crate::service::authoring::Authoring;
use crate::service::authoring::HashMeter;
use crate::service::authoring::Made;
use crate::service::folder::Folder;
use crate::service::members::Members;
use crate::service::members::swarms_of;
use crate::service::metainfo;
use crate::service::reach::Reach;
use crate::service::republish::Heritage;
use crate::service::republish::patiently;
use crate::service::share_watch::Condition;
use crate::service::share_watch::Doubts;
use crate::service::torrents::TorrentOptions;
use crate::service::torrents::Torrents;
use crate::store::NewShare;
use crate::store::NewTorrent;
use crate::store::Store;
use crate::store::SwarmChange;
use crate::tracker::Tracker;

/// A share with its torrent.
#[derive(Clone, Debug)]
pub struct ShareView {
    /// What was decided about it.
    pub share: Share,
    /// Its torrent.
    pub torrent: Arc<Torrent>,
}

impl ShareView {
    fn of(mut share: Share, torrent: Arc<Torrent>) -> Self {
        share.follow(&torrent.save_path);
        Self { share, torrent }
    }
}

/// What sharing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The share.
    pub id: TorrentId,
    /// False when the same files were shared already.
    pub is_new: bool,
}

/// The shares; a cheap handle.
#[derive(Clone)]
pub struct Shares {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) authoring: Authoring,
    pub(super) torrents: Torrents,
    pub(super) store: Store,
    tracker: Tracker,
    members: Members,
    reach: Reach,
    pub(super) table: RwLock<BTreeMap<TorrentId, Share>>,
    /// What the last look at each came to.
    pub(super) conditions: Mutex<HashMap<TorrentId, Condition>>,
    /// One look at a time, so that two do not disagree about what is to run.
    pub(super) looking: tokio::sync::Mutex<()>,
    /// Those of which somebody found a file that is not as it was shared.
    pub(super) doubts: Doubts,
}

/// A share that is durable and not yet in force.
pub(super) struct Kept {
    share: Share,
    prepared: Prepared,
    swarms: Vec<TorrentId>,
    options: TorrentOptions,
}

impl Shares {
    /// Those that were kept; `members` knows them already.
    pub fn new(
        authoring: Authoring,
        torrents: Torrents,
        (store, tracker): (Store, Tracker),
        (members, reach): (Members, Reach),
        kept: Vec<Share>,
    ) -> Self {
        let table = RwLock::new(kept.into_iter().map(|share| (share.id, share)).collect());
        let (conditions, looking) = (Mutex::default(), tokio::sync::Mutex::new(()));
        let doubts = Doubts::default();
        let inner = Inner {
            authoring,
            torrents,
            store,
            tracker,
            members,
            reach,
            table,
            conditions,
            looking,
            doubts,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether a wish can be fulfilled, as far as is known before its files are looked at.
    ///
    /// # Errors
    /// Invalid for what contradicts itself; Conflict, when nobody could find the share.
    pub(super) fn check(&self, wish: &ShareWish) -> Result<()> {
        if wish.is_public && is_members_only(wish) {
            return Err(Error::invalid("a public share has no members to keep it to"));
        }
        if self.inner.reach.announce_urls(None).is_empty() {
            let message = "the tracker listens nowhere, so nobody would find the share; set \
                           tracker.udp.bind or tracker.http.bind";
            return Err(Error::conflict(message));
        }
        Ok(())
    }

    /// Makes a torrent of the wished files, lets it in at the tracker and seeds it; answers when
    /// all of it is durable, and the job `job` is forgotten. The same files again are the share
    /// that they are already.
    ///
    /// # Errors
    /// As of [`Authoring::make`]; Conflict, when nobody could find it or such a torrent is there;
    /// `StorageFull`; Busy.
    pub(super) async fn share(
        &self,
        wish: &ShareWish,
        meter: HashMeter,
        job: u64,
    ) -> Result<Finished> {
        self.check(wish)?;
        let made = self.inner.authoring.make(author_wish(wish), meter).await?;
        let id = made.hashes().id();
        if let Ok(ShareView { share, .. }) = self.get(id) {
            match Path::new(&share.path) == made.source {
                // Its files may have been touched since: what was hashed now is what they are.
                true => {
                    let share = Share { digest: made.folder.digest(), ..share };
                    self.renew_same(share, made, job).await?;
                }
                // A copy of it elsewhere.
                false => self.inner.store.remove_share_job(job).await?,
            }
            return Ok(Finished { id, is_new: false });
        }
        let _change = self.inner.torrents.begin_change(id)?;
        let share = Share {
            id,
            path: made.source.to_string_lossy().into_owned(),
            made_at: unix_now_s(),
            is_private: !wish.is_public,
            is_members_only: is_members_only(wish),
            skip: wish.skip.clone(),
            digest: made.folder.digest(),
        };
        let kept = self.keep(share, made, Some(job), None).await?;
        self.put_in_force(&kept);
        self.start(kept).await?;
        Ok(Finished { id, is_new: true })
    }

    /// Makes a share durable, in place of another one and with what that leaves it, if there is one.
    pub(super) async fn keep(
        &self,
        share: Share,
        made: Made,
        job: Option<u64>,
        former: Option<Heritage>,
    ) -> Result<Kept> {
        let Made { mut prepared, folder, source } = made;
        let files = folder.marks();
        prepared.seal(&files)?;
        sync(folder, source).await?;
        let save_path = prepared.save_path.to_string();
        let (added_at, replaces) = (unix_now_s(), former.as_ref().map(|former| former.share));
        let left = former.map(|former| (former.options, former.tuning, former.flags));
        let (options, tuning, flags) = left.unwrap_or_default();
        prepared.set_options(&AddOptions {
            save_path: save_path.clone(),
            trackers_only: share.is_private,
            added_at,
            tuning,
            ..AddOptions::default()
        })?;
        if replaces.is_some() {
            prepared.set_flags(flags, TorrentFlags::LASTING)?;
        }
        let swarms = swarms_of(&prepared.hashes);
        let options = TorrentOptions { made_here: true, ..options };
        let torrent = NewTorrent {
            id: share.id,
            v2: prepared.hashes.v2(),
            name: prepared.name.to_string(),
            save_path,
            resume: prepared.resume_bytes()?,
            metadata_file: prepared.metadata_bytes(),
            added_at,
            options: options.clone(),
        };
        let mode = mode_of(&share);
        let allowed = |hash: &TorrentId| {
            [(*hash, SwarmChange::Listed(true)), (*hash, SwarmChange::Mode(Some(mode)))]
        };
        let allowed = swarms.iter().flat_map(allowed).collect();
        let new = NewShare { torrent, share: share.clone(), files, swarms: allowed, job, replaces };
        self.inner.store.add_share(new).await?;
        Ok(Kept { share, prepared, swarms, options })
    }

    /// Gives a share that is in force to the engine, and waits until it is served; a refusal takes
    /// it back.
    pub(super) async fn start(&self, kept: Kept) -> Result<()> {
        let Kept { share, prepared, options, .. } = kept;
        let id = share.id;
        let session = options.session.clone();
        self.inner.torrents.inner.options.insert(id, options);
        let added = self.inner.torrents.inner.engine.add(prepared, &session).await;
        if added.as_ref().is_err_and(|error| error.kind() != ErrorKind::Busy) {
            self.inner.torrents.inner.options.remove(&id);
            self.inner.store.begin_removal(id, false).await?;
            self.take_out_of_force(id);
            self.inner.store.finish_removal(id).await?;
        }
        if added.is_ok() {
            self.inner.members.await_own(id).await;
        }
        added
    }

    /// Takes away the torrent of a share whose place another one has taken in the store.
    pub(super) async fn withdraw(&self, id: TorrentId) -> Result<()> {
        self.close_swarms(id);
        let torrents = &self.inner.torrents;
        match patiently(|| torrents.inner.engine.remove(id)).await {
            // Asked again, when it was done after all.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
        // Not before: as long as the torrent is there it is guarded as a share's.
        self.forget(id);
        torrents.inner.options.remove(&id);
        self.inner.store.finish_removal(id).await?;
        torrents.labels().forget(id);
        Ok(())
    }

    pub(super) fn put_in_force(&self, kept: &Kept) {
        let (share, mode) = (&kept.share, mode_of(&kept.share));
        for hash in &kept.swarms {
            self.inner.tracker.set_listed(hash, true);
            self.inner.tracker.set_mode(hash, Some(mode));
        }
        self.inner.members.put(share.id, kept.swarms.clone(), share.is_members_only);
        self.note(share.id, Condition::same());
        self.remember(share.clone());
    }

    pub(super) fn remember(&self, share: Share) {
        let mut table = self.inner.table.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(share.id, share);
    }

    fn take_out_of_force(&self, id: TorrentId) {
        self.close_swarms(id);
        self.forget(id);
    }

    /// Nobody is let in to its swarms any more.
    fn close_swarms(&self, id: TorrentId) {
        for hash in self.inner.members.swarms(id).unwrap_or_default() {
            // Before the mode: without a key nobody may see the swarm for a moment.
            self.inner.tracker.clear_own(&hash);
            self.inner.tracker.set_listed(&hash, false);
            self.inner.tracker.set_mode(&hash, None);
        }
    }

    fn forget(&self, id: TorrentId) {
        self.inner.members.remove(id);
        self.inner.table.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Ends a share: its torrent, its invites, and what its swarms were allowed. The files stay.
    ///
    /// # Errors
    /// `NotFound`; `StorageFull`; Busy.
    pub async fn unshare(&self, id: TorrentId) -> Result<()> {
        self.get(id)?;
        self.inner.torrents.remove(id, false).await?;
        self.take_out_of_force(id);
        Ok(())
    }

    /// Lets the engine refuse strangers, or no longer.
    ///
    /// # Errors
    /// `NotFound`; Invalid for a public share; `StorageFull`; Busy.
    pub async fn set_members_only(&self, id: TorrentId, is_members_only: bool) -> Result<()> {
        let ShareView { mut share, torrent } = self.get(id)?;
        if is_members_only && !share.is_private {
            return Err(Error::invalid("a public share has no members to keep it to"));
        }
        share.is_members_only = is_members_only;
        self.inner.store.put_share(share.clone()).await?;
        self.inner.members.put(id, swarms_of(&torrent.hashes), is_members_only);
        self.remember(share);
        let (engine, status) = (&self.inner.torrents.inner.engine, &torrent.status);
        if is_members_only && !status.is_paused {
            // Nobody was asked who they are when they came.
            engine.pause(id).await?;
            engine.resume(id, status.is_auto_managed).await?;
        }
        Ok(())
    }

    /// All shares whose torrents are there, the first made first. Memory only.
    pub fn list(&self) -> Vec<ShareView> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        let shares: Vec<Share> = table.values().cloned().collect();
        drop(table);
        let engine = &self.inner.torrents.inner.engine;
        let view = |share: Share| {
            let torrent = engine.get(share.id)?;
            Some(ShareView::of(share, torrent))
        };
        let mut views: Vec<ShareView> = shares.into_iter().filter_map(view).collect();
        views.sort_by_key(|view| (view.share.made_at, view.share.id));
        views
    }

    /// One share. Memory only.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, id: TorrentId) -> Result<ShareView> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        let share = table.get(&id).cloned();
        drop(table);
        let torrent = self.inner.torrents.inner.engine.get(id);
        match (share, torrent) {
            (Some(share), Some(torrent)) => Ok(ShareView::of(share, torrent)),
            _ => Err(Error::not_found("there is no such share")),
        }
    }

    /// The share that somebody means: by an info-hash, or by its whole name or path.
    ///
    /// # Errors
    /// `NotFound`; Conflict, when several fit.
    pub fn find(&self, wish: &str) -> Result<ShareView> {
        let hash = wish.parse::<AnyHash>().ok();
        let fits = |view: &ShareView| {
            let is_meant = hash.as_ref().is_some_and(|hash| view.torrent.hashes.matches(hash));
            is_meant || *view.torrent.name == *wish || view.share.path == wish
        };
        let mut found: Vec<ShareView> = self.list().into_iter().filter(fits).collect();
        match (found.pop(), found.is_empty()) {
            (Some(view), true) => Ok(view),
            (Some(_), false) => Err(Error::conflict(format!(
                "several shares are called `{wish}`; give the info-hash"
            ))),
            (None, _) => Err(Error::not_found(format!("there is no share `{wish}`"))),
        }
    }

    /// The .torrent file with our tracker's URLs, those of a friend if `key` is one's.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn torrent_file(&self, id: TorrentId, key: Option<&AccessKey>) -> Result<Vec<u8>> {
        self.get(id)?;
        let file = self.inner.torrents.torrent_file(id).await?;
        metainfo::with_trackers(&file, &self.inner.reach.announce_urls(key))
    }

    /// The announce URLs of our tracker, those of a friend if `key` is one's.
    pub fn announce_urls(&self, key: Option<&AccessKey>) -> Vec<Vec<String>> {
        self.inner.reach.announce_urls(key)
    }

    /// The magnet link, that of a friend if `key` is one's.
    pub fn magnet(&self, view: &ShareView, key: Option<&AccessKey>) -> String {
        let urls = self.inner.reach.announce_urls(key);
        metainfo::magnet(&view.torrent.hashes, &view.torrent.name, &urls)
    }

    /// URLs of a page beside the tracker, the best one first.
    pub fn page_urls(&self, path: &str) -> Vec<String> {
        self.inner.reach.page_urls(path)
    }

    /// Ends the shares whose torrents are removed in another way, until the engine is gone.
    pub async fn follow(self, engine: Engine) {
        let mut events = engine.events();
        loop {
            match events.recv().await {
                Ok(Event::Removed(id)) => self.take_out_of_force(id),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

fn is_members_only(wish: &ShareWish) -> bool {
    wish.is_members_only.unwrap_or(!wish.is_public)
}

/// As little as the share needs of the torrent's own wishes.
pub(super) fn author_wish(wish: &ShareWish) -> AuthorWish {
    AuthorWish {
        path: wish.path.clone(),
        name: wish.name.clone(),
        format: wish.format,
        piece_bytes: wish.piece_bytes,
        is_private: !wish.is_public,
        comment: wish.comment.clone(),
        skip: wish.skip.clone(),
        ..AuthorWish::default()
    }
}

fn mode_of(share: &Share) -> Mode {
    if share.is_private { Mode::PrivateListed } else { Mode::Listed }
}

/// A record may claim the pieces only when the disk has them (rule D3).
async fn sync(folder: Folder, source: PathBuf) -> Result<()> {
    let synced = tokio::task::spawn_blocking(move || folder.sync(&source)).await;
    synced.map_err(|_| Error::internal("syncing a folder panicked"))?
}
