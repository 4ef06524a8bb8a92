//! A new edition of a share whose files have changed: another torrent in its place, with the same
//! name, friends, links and accounts, and with what users put on it. What is still the same is not
//! hashed again.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::share::Format;
use crate::domain::share::Share;
use crate::domain::share::ShareWish;
use crate::domain::torrent_flags::TorrentFlags;
use crate::engine::Tuning;
use crate::service::accounts::Accounts;
use crate::service::authoring::Former;
use crate::service::authoring::HashMeter;
use crate::service::authoring::Made;
use crate::service::friends::Friends;
use crate::service::share_watch::Condition;
use crate::service::shares::Finished;
use crate::service::shares::Shares;
use crate::service::shares::author_wish;
use crate::service::torrents::TorrentOptions;

/// For how long an engine that is busy is asked again: a disk that hangs comes back, or does not.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Between two times that it is asked.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What a share leaves to the one that takes its place. That it was stopped is not among it: who
/// publishes it anew wants it served. What the store holds goes over there.
pub(super) struct Heritage {
    /// The former share.
    pub(super) share: TorrentId,
    /// What the user chose for it.
    pub(super) options: TorrentOptions,
    /// Its limits.
    pub(super) tuning: Tuning,
    /// Its flags.
    pub(super) flags: TorrentFlags,
}

/// What to make of a share to renew it: all as it is now, but for the files.
///
/// # Errors
/// `NotFound`.
pub fn wish_of(shares: &Shares, id: TorrentId) -> Result<ShareWish> {
    let view = shares.get(id)?;
    let metadata = view.torrent.metadata.as_ref();
    let metadata = metadata.ok_or_else(|| Error::conflict("the share is not loaded yet"))?;
    Ok(ShareWish {
        path: view.share.path.clone(),
        name: Some(view.torrent.name.to_string()),
        format: Format::of(&view.torrent.hashes),
        piece_bytes: Some(metadata.piece_length),
        is_public: !view.share.is_private,
        is_members_only: Some(view.share.is_members_only),
        comment: metadata.comment.clone(),
        skip: view.share.skip,
        replaces: Some(id),
    })
}

/// Makes the new edition of `old`, and puts it in its place in one transaction. With the same
/// content it is the same torrent, and only the files' times are learned anew.
///
/// # Errors
/// `NotFound`, when `old` is gone by now; as of making a share.
pub(super) async fn renew(
    (shares, friends, accounts): (&Shares, &Friends, &Accounts),
    (old, wish): (TorrentId, &ShareWish),
    meter: HashMeter,
    job: u64,
) -> Result<Finished> {
    shares.get(old)?;
    let former = Former {
        torrent_file: shares.inner.torrents.torrent_file(old).await?,
        files: shares.inner.store.share_files(old).await?.unwrap_or_default(),
    };
    let mut author = author_wish(wish);
    author.former = Some(former);
    let made = shares.inner.authoring.make(author, meter).await?;
    let id = made.hashes().id();
    // Whether it is members only may have been changed while it was hashed.
    let mut share = shares.get(old)?.share;
    share.digest = made.folder.digest();
    if id == old {
        shares.renew_same(share, made, job).await?;
        return Ok(Finished { id, is_new: false });
    }
    share.id = id;
    let _changes =
        (shares.inner.torrents.begin_change(old)?, shares.inner.torrents.begin_change(id)?);
    let former = heritage(shares, old).await?;
    let labels = shares.inner.torrents.labels();
    // From here on no friend, link, account or label changes, until all know of the new edition.
    let (still, books, words) =
        (friends.still().await, accounts.still().await, labels.still().await);
    let kept = shares.keep(share, made, Some(job), Some(former)).await?;
    accounts.move_share(&books, old, id);
    labels.copy(&words, old, id);
    drop((books, words));
    shares.put_in_force(&kept);
    friends.move_share(&still, old, id).await;
    drop(still);
    let started = shares.start(kept).await;
    shares.withdraw(old).await?;
    started?;
    Ok(Finished { id, is_new: true })
}

/// What is known of a share that is to be replaced.
async fn heritage(shares: &Shares, old: TorrentId) -> Result<Heritage> {
    let (torrent, torrents) = (shares.get(old)?.torrent, &shares.inner.torrents);
    let options = torrents.options(old).unwrap_or_default();
    // One that cannot run is not asked; then it is as the session says.
    let max_uploads = torrents.properties(old).await.ok().map(|found| found.max_uploads);
    Ok(Heritage {
        share: old,
        options: TorrentOptions {
            session: options.session,
            anon_hops: options.anon_hops,
            safe_seeding: options.safe_seeding,
            seed_ratio: options.seed_ratio,
            ..TorrentOptions::default()
        },
        tuning: Tuning {
            download_limit: torrent.status.download_limit,
            upload_limit: torrent.status.upload_limit,
            max_connections: torrents.labels().get(old).max_connections,
            max_uploads,
            ..Tuning::default()
        },
        flags: torrent.status.flags,
    })
}

impl Shares {
    /// The same torrent still: keeps what its files look like now, and lets it run.
    ///
    /// The engine comes first. Were it too busy after the store had been told, the share would be
    /// as it was for everybody but the disk, which would send nothing of it until the next start.
    pub(super) async fn renew_same(&self, share: Share, made: Made, job: u64) -> Result<()> {
        let id = share.id;
        let files = made.folder.marks();
        drop(made);
        // A look that is under way compares with what is replaced here.
        let _turn = self.inner.looking.lock().await;
        let engine = &self.inner.torrents.inner.engine;
        patiently(|| engine.renew_seal(id, files.clone())).await?;
        self.inner.store.renew_share(share.clone(), files, Some(job)).await?;
        self.remember(share);
        if self.condition(id).is_changed() || self.is_seal_broken(id) {
            patiently(|| self.let_go_on(id)).await?;
        }
        // Not before it runs: the next look would not let it go on any more.
        self.note(id, Condition::same());
        Ok(())
    }
}

/// Asks an engine again that is too busy, which may have done what it was asked for all the same.
///
/// # Errors
/// As the engine reports; Busy, when it is so for long.
pub(super) async fn patiently<F: Future<Output = Result<()>>>(
    mut ask: impl FnMut() -> F,
) -> Result<()> {
    let begin = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Busy && begin.elapsed() < PATIENCE => {
                tracing::info!(%error, "the engine is busy; asking it again");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            outcome => return outcome,
        }
    }
}
