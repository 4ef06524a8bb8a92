//! What is done to single torrents.

use std::net::SocketAddr;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::null;
use crate::dialects::porla::json::yes;
use crate::dialects::porla::torrents_wire::AddPeers;
use crate::dialects::porla::torrents_wire::AddTracker;
use crate::dialects::porla::torrents_wire::ByHash;
use crate::dialects::porla::torrents_wire::Move;
use crate::dialects::porla::torrents_wire::Prioritize;
use crate::dialects::porla::torrents_wire::QueueSet;
use crate::dialects::porla::torrents_wire::Remove;
use crate::dialects::porla::torrents_wire::Rename;
use crate::dialects::porla::torrents_wire::SetProperties;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::domain::torrent_flags::TorrentFlags;
use crate::service::properties::MoveMode;
use crate::service::properties::PropertyWish;
use crate::service::torrents::QueueMove;

impl Porla {
    /// The id of the torrent that a method with this one parameter is about.
    fn named(&self, params: Params) -> Result<TorrentId, Failure> {
        let wish: ByHash = params.read()?;
        Ok(self.find(&wish.info_hash)?.id)
    }

    pub(super) async fn pause(&self, params: Params) -> Outcome {
        self.services.torrents.stop(self.named(params)?).await?;
        null()
    }

    pub(super) async fn resume(&self, params: Params) -> Outcome {
        self.services.torrents.resume(self.named(params)?).await?;
        null()
    }

    pub(super) async fn recheck(&self, params: Params) -> Outcome {
        self.services.torrents.recheck(self.named(params)?).await?;
        null()
    }

    pub(super) async fn remove(&self, params: Params) -> Outcome {
        let wish: Remove = params.read()?;
        for hash in &wish.info_hashes {
            // Those that nobody knows are skipped, also one that goes just now.
            let Ok(torrent) = self.find(hash) else { continue };
            match self.services.torrents.remove(torrent.id, wish.remove_data).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        null()
    }

    pub(super) async fn move_files(&self, params: Params) -> Outcome {
        let wish: Move = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let mode = match wish.flags.as_deref() {
            Some("always_replace_files") => MoveMode::Replace,
            Some("fail_if_exist") => MoveMode::FailIfExists,
            _ => MoveMode::KeepExisting,
        };
        self.services.torrents.begin_move(id, &wish.path, mode).await?;
        null()
    }

    pub(super) async fn add_peers(&self, params: Params) -> Outcome {
        let wish: AddPeers = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let addresses = wish.peers.iter().filter_map(|(ip, port)| {
            let port = u16::try_from(*port).ok().filter(|port| *port != 0)?;
            Some(SocketAddr::new(ip.parse().ok()?, port))
        });
        for address in addresses {
            self.services.torrents.connect(id, address).await?;
        }
        yes()
    }

    pub(super) async fn add_tracker(&self, params: Params) -> Outcome {
        let wish: AddTracker = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        self.services.torrents.add_tracker(id, &wish.url).await?;
        null()
    }

    pub(super) async fn set_properties(&self, params: Params) -> Outcome {
        let wish: SetProperties = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let none = TorrentFlags::default();
        let (flags, mask) =
            wish.flags.iter().flatten().fold((none, none), |all, (name, is_set)| {
                match TorrentFlags::named(name) {
                    Some(flag) => (all.0.with(flag, *is_set), all.1.with(flag, true)),
                    None => all,
                }
            });
        let wish = PropertyWish {
            download_limit: wish.download_limit.map(rate),
            upload_limit: wish.upload_limit.map(rate),
            max_connections: wish.max_connections.map(count),
            max_uploads: wish.max_uploads.map(count),
            flags,
            mask,
        };
        self.services.torrents.set_properties(id, wish).await?;
        null()
    }

    pub(super) async fn prioritize(&self, params: Params) -> Outcome {
        let wish: Prioritize = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let wishes: Vec<(u32, u8)> = (0..).zip(wish.priorities).collect();
        self.services.torrents.set_priorities(id, &wishes).await.map_err(said)?;
        null()
    }

    pub(super) async fn rename(&self, params: Params) -> Outcome {
        let wish: Rename = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        self.services.torrents.rename_file(id, wish.index, &wish.name).await.map_err(said)?;
        null()
    }

    pub(super) async fn queue_top(&self, params: Params) -> Outcome {
        self.queue(params, QueueMove::Top).await
    }

    pub(super) async fn queue_up(&self, params: Params) -> Outcome {
        self.queue(params, QueueMove::Up).await
    }

    pub(super) async fn queue_down(&self, params: Params) -> Outcome {
        self.queue(params, QueueMove::Down).await
    }

    pub(super) async fn queue_bottom(&self, params: Params) -> Outcome {
        self.queue(params, QueueMove::Bottom).await
    }

    async fn queue(&self, params: Params, direction: QueueMove) -> Outcome {
        self.services.torrents.move_in_queue(self.named(params)?, direction).await?;
        null()
    }

    pub(super) async fn queue_set(&self, params: Params) -> Outcome {
        let wish: QueueSet = params.read()?;
        let id = self.find(&wish.info_hash)?.id;
        let position = u32::try_from(wish.position);
        let position = position.map_err(|_| Error::invalid("a place in the queue is 0 or more"))?;
        self.services.torrents.set_queue_position(id, position).await?;
        null()
    }
}

/// What the services say of a file: the original has no such method, and so no words for it.
fn said(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Conflict => Failure::of(-1, error.public_message()),
        _ => Failure::from(error),
    }
}

/// Bytes/s as the services count: 0 = no limit, which the original also writes as -1.
pub(super) fn rate(limit: i64) -> u32 {
    u32::try_from(limit.max(0)).unwrap_or(u32::MAX)
}

/// A count of peers as libtorrent counts: -1 = any number, and never fewer than 2.
pub(super) fn count(limit: i64) -> i32 {
    match i32::try_from(limit) {
        Ok(limit @ 1..) => limit.max(2),
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_libtorrent_means_them() {
        assert_eq!([rate(-1), rate(0), rate(5), rate(1 << 40)], [0, 0, 5, u32::MAX]);
        assert_eq!([count(-1), count(0), count(1), count(7), count(1 << 40)], [-1, -1, 2, 7, -1]);
    }
}
