//! A new edition of a share whose files have changed: another torrent in its place, with the same
//! name, friends and links. What is still the same is not hashed again.

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::share::Format;
use crate::domain::share::ShareWish;
use crate::service::authoring::Former;
use crate::service::authoring::HashMeter;
use crate::service::friends::Friends;
use crate::service::shares::Finished;
use crate::service::shares::Shares;
use crate::service::shares::author_wish;

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
    (shares, friends): (&Shares, &Friends),
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
    // From here on no friend and no link comes or goes, until both know of the new edition.
    let still = friends.still().await;
    let kept = shares.keep(share, made, Some(job), Some(old)).await?;
    shares.put_in_force(&kept);
    friends.move_share(&still, old, id).await;
    drop(still);
    let started = shares.start(kept).await;
    shares.withdraw(old).await?;
    started?;
    Ok(Finished { id, is_new: true })
}
