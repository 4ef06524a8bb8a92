//! Whether the files of shares are still what their torrents say. One that is not is stopped, so
//! that nobody is sent what does not fit its hashes, and goes on by itself when the files are as
//! they were.
//!
//! Only names, sizes and times are looked at, never the content: on request, before a share is
//! loaded, seldom while nobody is connected to it, often while somebody is, and at once when its
//! torrent stands in error. What was changed since the last look is not sent meanwhile: the disk
//! looks at a file whenever it reads of it for a peer (`engine/seals.rs`).

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::share::FileMark;
use crate::domain::share::Share;
use crate::domain::torrent::Failure;
use crate::service::access::unix_now_s;
use crate::service::folder::FileChange;
use crate::service::folder::Folder;
use crate::service::folder::SKIPPED;
use crate::service::sealed_file::MEND;
use crate::service::shares::ShareView;
use crate::service::shares::Shares;

/// Between two looks at a share that somebody is connected to.
const BUSY_EVERY: Duration = Duration::from_secs(10);
/// A look may take this part of the time until the next one.
const LOOK_SHARE: u32 = 50;
/// How often to see which looks are due.
const TICK: Duration = Duration::from_secs(1);
/// Changes that are kept by name.
const NAMED_MAX: usize = 100;

/// How the files of a share compare with its torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// When somebody looked last, Unix seconds; 0 = never.
    pub looked_at: i64,
    /// The first files that are not as they were.
    pub changes: Vec<FileChange>,
    /// How many there are, those in `changes` included.
    pub count: usize,
    /// Why it is not known file by file, such as a folder that is gone.
    pub trouble: Option<String>,
}

/// What the look at a share before its torrent is loaded came to.
pub(super) enum FirstLook {
    /// All is as it was, and looks like this.
    Same(Vec<FileMark>),
    /// The torrent must not run.
    Changed,
}

/// Shares that are to be looked at as soon as can be.
#[derive(Default)]
pub(super) struct Doubts {
    ids: Mutex<HashSet<TorrentId>>,
    is_new: Notify,
}

impl Doubts {
    fn put(&self, id: TorrentId) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        self.is_new.notify_one();
    }

    /// Waits for some.
    async fn next(&self) -> HashSet<TorrentId> {
        loop {
            let ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
            if !ids.is_empty() {
                return ids;
            }
            self.is_new.notified().await;
        }
    }
}

/// A share in one glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareState {
    /// What it is called.
    pub name: Arc<str>,
    /// What is not as its torrent says, in words; `None` when all is.
    pub change: Option<String>,
}

impl Condition {
    /// The files are as the torrent says.
    pub(super) fn same() -> Self {
        Self { looked_at: unix_now_s(), ..Self::default() }
    }

    fn changed(changes: Vec<FileChange>) -> Self {
        let (count, mut changes) = (changes.len(), changes);
        changes.truncate(NAMED_MAX);
        let is_known = count > 0;
        let trouble = (!is_known).then(|| "files were changed, added or removed".to_owned());
        Self { looked_at: unix_now_s(), changes, count, trouble }
    }

    fn trouble(why: &str) -> Self {
        Self { looked_at: unix_now_s(), trouble: Some(why.to_owned()), ..Self::default() }
    }

    /// Whether something is not as the torrent says.
    pub fn is_changed(&self) -> bool {
        self.count > 0 || self.trouble.is_some()
    }

    /// What is not, in words; `None` when all is.
    pub fn sentence(&self) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        let first = self.changes.first()?;
        let others = self.count - 1;
        Some(match others {
            0 => first.to_string(),
            1 => format!("{first}, and 1 file more"),
            _ => format!("{first}, and {others} files more"),
        })
    }
}

impl Shares {
    /// What the last look at a share came to. Memory only.
    pub fn condition(&self, id: TorrentId) -> Condition {
        let conditions = self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.get(&id).cloned().unwrap_or_default()
    }

    /// Every share in one glance. Memory only.
    pub fn states(&self) -> BTreeMap<TorrentId, ShareState> {
        let state = |view: ShareView| {
            let change = self.condition(view.share.id).sentence();
            (view.share.id, ShareState { name: Arc::clone(&view.torrent.name), change })
        };
        self.list().into_iter().map(state).collect()
    }

    /// Looks at the files of a share now; stops it when they are not as its torrent says, and lets
    /// it go on when they are again.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn look(&self, id: TorrentId) -> Result<Condition> {
        let _turn = self.inner.looking.lock().await;
        let share = self.get(id)?.share;
        let condition = self.see(share).await?;
        let before = self.note(id, condition.clone());
        let was_changed = before.as_ref().is_some_and(Condition::is_changed);
        // It may be as it was again already, when the disk alone has seen it otherwise.
        let is_held_back = was_changed || self.is_seal_broken(id);
        if was_changed != condition.is_changed() {
            match condition.sentence() {
                Some(what) => tracing::warn!(share = %id, what, "a shared folder has changed"),
                None => tracing::info!(share = %id, "a shared folder is as it was"),
            }
        }
        match condition.is_changed() {
            true => self.hold_back(id).await?,
            false if is_held_back => {
                if let Err(error) = self.let_go_on(id).await {
                    // The next look is to try it again.
                    self.note(id, before.unwrap_or_default());
                    return Err(error);
                }
            }
            false => {}
        }
        Ok(condition)
    }

    /// Somebody found a file of it that is not as it was shared: it is looked at soon, by whoever
    /// looks after shares, and nobody waits for that here.
    pub(super) fn doubt(&self, id: TorrentId) {
        self.inner.doubts.put(id);
    }

    /// What the files of a share are to look like; `None` for what is no share.
    ///
    /// # Errors
    /// Conflict, when that was not kept and they are not as they were; those of the store.
    pub(super) async fn marks(&self, id: TorrentId) -> Result<Option<Vec<FileMark>>> {
        let Ok(ShareView { share, .. }) = self.get(id) else { return Ok(None) };
        if let Some(marks) = self.inner.store.share_files(id).await? {
            return Ok(Some(marks));
        }
        let looked = tokio::task::spawn_blocking(move || compare(&share)).await;
        match looked.map_err(|_| Error::internal("looking at a folder panicked"))?? {
            (folder, true) => Ok(Some(folder.marks())),
            (_, false) => Err(Error::conflict(format!("the share was changed; {MEND}"))),
        }
    }

    /// As [`Shares::look`], before its torrent is given to the engine. Blocks. `None` for what is
    /// no share.
    pub(super) fn look_before_loading(&self, id: TorrentId, save_path: &str) -> Option<FirstLook> {
        let table = self.inner.table.read().unwrap_or_else(PoisonError::into_inner);
        let share = table.get(&id).cloned();
        drop(table);
        let mut share = share?;
        share.follow(save_path);
        let (condition, look) = match compare(&share) {
            Ok((folder, true)) => (Condition::same(), FirstLook::Same(folder.marks())),
            // Which files is found out by the first look after the start.
            Ok(_) => (Condition::changed(Vec::new()), FirstLook::Changed),
            Err(error) => (Condition::trouble(error.message()), FirstLook::Changed),
        };
        let looked_at = if condition.is_changed() { 0 } else { condition.looked_at };
        self.note(id, Condition { looked_at, ..condition });
        Some(look)
    }

    /// Notes what was seen; returns what was known before.
    pub(super) fn note(&self, id: TorrentId, condition: Condition) -> Option<Condition> {
        let mut conditions = self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.insert(id, condition)
    }

    /// Whether its torrent stands still because the disk found a file that was changed.
    pub(super) fn is_seal_broken(&self, id: TorrentId) -> bool {
        let torrent = self.inner.torrents.inner.engine.get(id);
        torrent.is_some_and(|torrent| torrent.status.failure == Some(Failure::Changed))
    }

    async fn see(&self, share: Share) -> Result<Condition> {
        let id = share.id;
        let looked = tokio::task::spawn_blocking(move || compare(&share)).await;
        match looked.map_err(|_| Error::internal("looking at a folder panicked"))? {
            Ok((_, true)) => Ok(Condition::same()),
            Ok((folder, false)) => {
                let marks: Option<Vec<FileMark>> = self.inner.store.share_files(id).await?;
                let changes = marks.map(|marks| folder.changes_since(&marks));
                Ok(Condition::changed(changes.unwrap_or_default()))
            }
            Err(error) => Ok(Condition::trouble(error.message())),
        }
    }

    /// Stops its torrent; not the user's wish, so it is not kept as one.
    async fn hold_back(&self, id: TorrentId) -> Result<()> {
        let engine = &self.inner.torrents.inner.engine;
        if self.get(id)?.torrent.status.is_paused {
            return Ok(());
        }
        engine.set_auto_managed(id, false).await?;
        engine.pause(id).await
    }

    /// Lets its torrent run, unless the user stopped it; that it stood in error is over.
    pub(super) async fn let_go_on(&self, id: TorrentId) -> Result<()> {
        let torrents = &self.inner.torrents;
        let is_stopped = torrents.options(id).is_some_and(|options| options.is_stopped);
        match is_stopped {
            true if self.is_seal_broken(id) => torrents.inner.engine.forget_error(id),
            true => Ok(()),
            false => torrents.inner.engine.resume(id, false).await,
        }
    }
}

/// The files as they are now, and whether they are as they were.
fn compare(share: &Share) -> Result<(Folder, bool)> {
    let skip = share.skip.clone().unwrap_or_else(|| SKIPPED.map(String::from).to_vec());
    let now = Folder::read(Path::new(&share.path), &skip, &|| Ok(()))?;
    let is_same = now.digest() == share.digest;
    Ok((now, is_same))
}

/// Looks at every share when it is due, until the engine is gone: `every` so often, or only when
/// something is wrong with it when that is zero.
pub async fn run(shares: Shares, mut events: Receiver<Event>, every: Duration) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked: HashMap<TorrentId, (Instant, Duration)> = HashMap::new();
    let mut failing = HashSet::new();
    loop {
        tokio::select! {
            _ = tick.tick(), if !every.is_zero() => {
                look_at_due(&shares, &mut looked, every).await;
            }
            doubted = shares.inner.doubts.next() => {
                for id in doubted {
                    look(&shares, id).await;
                }
            }
            event = events.recv() => match event {
                Ok(Event::StateChanged(id)) => look_at_failing(&shares, &mut failing, id).await,
                Ok(Event::Removed(id)) => {
                    failing.remove(&id);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    events = events.resubscribe();
                    for view in shares.list() {
                        look_at_failing(&shares, &mut failing, view.share.id).await;
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Looks at a share whose torrent came to stand in error, or does so no longer: what is wrong, or
/// whether somebody let it go on too early.
async fn look_at_failing(shares: &Shares, failing: &mut HashSet<TorrentId>, id: TorrentId) {
    let Ok(view) = shares.get(id) else { return };
    let is_new = match view.torrent.status.failure.is_some() {
        true => failing.insert(id),
        false => failing.remove(&id),
    };
    if is_new {
        look(shares, id).await;
    }
}

async fn look(shares: &Shares, id: TorrentId) {
    if let Err(error) = shares.look(id).await {
        tracing::debug!(%error, share = %id, "a share was not looked at");
    }
}

async fn look_at_due(
    shares: &Shares,
    looked: &mut HashMap<TorrentId, (Instant, Duration)>,
    every: Duration,
) {
    let list = shares.list();
    looked.retain(|id, _| list.iter().any(|view| view.share.id == *id));
    for view in list {
        let id = view.share.id;
        let is_busy = view.torrent.status.connected_peers > 0;
        let condition = shares.condition(id);
        // Somebody let it run although its files are not what it says.
        let is_loose = condition.is_changed() && !view.torrent.status.is_paused;
        let (last, took) = *looked.entry(id).or_insert_with(|| (Instant::now(), Duration::ZERO));
        let wait = if is_busy { every.min(BUSY_EVERY) } else { every };
        let is_due = last.elapsed() >= wait.max(took * LOOK_SHARE);
        if is_due || is_loose || (condition.looked_at == 0 && last.elapsed() >= took * LOOK_SHARE) {
            let begin = Instant::now();
            look(shares, id).await;
            looked.insert(id, (Instant::now(), begin.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::folder::ChangeKind;

    #[test]
    fn a_condition_names_the_first_file_and_counts_the_others() {
        let change =
            |number: usize| FileChange { path: format!("f{number}"), kind: ChangeKind::Changed };
        let said = |count: usize| Condition::changed((0..count).map(change).collect());
        assert_eq!(Condition::same().sentence(), None);
        assert!(!Condition::same().is_changed() && said(0).is_changed());
        assert_eq!(said(0).sentence().unwrap(), "files were changed, added or removed");
        assert_eq!(said(1).sentence().unwrap(), "`f0` was changed");
        assert_eq!(said(2).sentence().unwrap(), "`f0` was changed, and 1 file more");
        let many = said(500);
        assert_eq!((many.changes.len(), many.count), (NAMED_MAX, 500));
        assert_eq!(many.sentence().unwrap(), "`f0` was changed, and 499 files more");
        assert_eq!(Condition::trouble("gone").sentence().unwrap(), "gone");
    }
}
