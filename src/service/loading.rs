//! The start: torrents from the store to the engine, and removals that a crash interrupted.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::domain::bitfield::Bitfield;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::InfoHashes;
use crate::domain::hash::Sha1Hash;
use crate::domain::hash::TorrentId;
use crate::domain::share::FileMark;
use crate::domain::torrent::Failure;
use crate::domain::torrent::Status;
use crate::domain::torrent::Torrent;
use crate::engine::Engine;
use crate::engine::Prepared;
use crate::service::moving;
use crate::service::paths::Roots;
use crate::service::presence;
use crate::service::presence::Claim;
use crate::service::share_watch::FirstLook;
use crate::service::shares::Shares;
use crate::service::torrents::Torrents;
use crate::service::torrents::payload_files;
use crate::store::BadRecord;
use crate::store::LoadedTorrent;
use crate::store::Removal;
use crate::store::Store;

/// Gives every stored torrent to the engine. Blocks: run it off the runtime.
pub struct Loader {
    /// Takes the torrents.
    pub engine: Engine,
    /// Completes removals.
    pub store: Store,
    /// Deletes what an interrupted removal left.
    pub roots: Roots,
    /// Is told of each.
    pub torrents: Torrents,
    /// Knows which of them are shares, whose files may have changed meanwhile.
    pub shares: Shares,
}

impl Loader {
    /// Loads all, in the order they were added.
    pub fn run(&self, stored: Vec<LoadedTorrent>, bad: &[BadRecord]) {
        if let Err(error) = self.load_labels() {
            tracing::error!(%error, "cannot read what is written on torrents");
        }
        for record in bad {
            self.show_bad(record);
            self.torrents.note_loaded();
        }
        let last = stored.last().map(|torrent| torrent.id);
        for torrent in stored {
            let (id, options) = (torrent.id, torrent.options.clone());
            let is_leaving = !matches!(torrent.removal, Removal::Not);
            if !is_leaving {
                // Before the engine tells of it: who hears that looks at them.
                self.torrents.note_options(id, options);
            }
            let outcome =
                if is_leaving { self.finish_removal(&torrent) } else { self.load(torrent) };
            if let Err(error) = outcome {
                tracing::error!(%error, torrent = %id, "cannot load a torrent");
            }
            if last == Some(id) {
                self.until_shown(id);
            }
            if !is_leaving {
                self.torrents.note_loaded();
            }
        }
    }

    /// Returns when the engine has dealt with all it was given: it answers in the order it is
    /// asked, so whoever is told that all are loaded finds them in the list.
    fn until_shown(&self, id: TorrentId) {
        // Whatever the answer is.
        let _ = Handle::current().block_on(self.engine.peers(id));
    }

    /// Before any torrent is shown, so that none is shown without its labels.
    fn load_labels(&self) -> Result<()> {
        runtime()?.block_on(self.torrents.labels().load())
    }

    fn load(&self, mut stored: LoadedTorrent) -> Result<()> {
        let metadata = stored.metadata_file.as_deref().unwrap_or_default();
        let mut prepared = match Prepared::from_resume(&stored.resume, metadata) {
            Ok(prepared) => prepared,
            Err(error) => return self.show(&stored, error.message()),
        };
        let has_moved = self.end_move(&mut prepared, &mut stored);
        let mut prepared = self.ready(prepared, &stored)?;
        prepared.max_connections = self.torrents.labels().get(stored.id).max_connections;
        let session = &stored.options.session;
        if !session.is_empty() && !self.torrents.sessions().has(session) {
            // Another session may have no proxy, or another port: nothing is decided here.
            let reason = format!("its session `{session}` is not there: see the log of the start");
            return self.show(&stored, &reason);
        }
        match self.missing(&prepared) {
            None => self.engine.load(prepared, session)?,
            Some(why) => {
                tracing::warn!(torrent = %stored.id, why, "holding a torrent back");
                self.engine.hold(prepared, session, why)?;
            }
        }
        if has_moved {
            self.torrents.settle_move(stored.id);
        }
        Ok(())
    }

    /// What is gone of what a torrent has, or of where it is to write (rules D10, D11).
    fn missing(&self, prepared: &Prepared) -> Option<String> {
        let claim = Claim {
            save_path: Path::new(&*prepared.save_path),
            metadata: prepared.metadata.as_deref(),
            pieces: &prepared.pieces,
            priorities: &prepared.file_priorities,
        };
        presence::missing(&self.roots, &claim)
    }

    /// A move of its files that was cut short ends before anybody looks for them (rule D20).
    fn end_move(&self, prepared: &mut Prepared, stored: &mut LoadedTorrent) -> bool {
        let to = &stored.options.moving_to;
        match moving::end(&self.roots, prepared, to) {
            Ok(true) => {
                stored.save_path = prepared.save_path.to_string();
                tracing::warn!(torrent = %stored.id, at = stored.save_path, "ended a move of its files");
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::error!(%error, torrent = %stored.id, "cannot end a move");
                false
            }
        }
    }

    fn ready(&self, mut prepared: Prepared, stored: &LoadedTorrent) -> Result<Prepared> {
        let look = self.shares.look_before_loading(stored.id, &stored.save_path);
        let is_changed = matches!(look, Some(FirstLook::Changed));
        if let Some(look) = look {
            prepared.seal(&self.marks(stored.id, look))?;
        }
        if is_changed {
            // Not a moment may be served of what does not fit its hashes.
            prepared.set_running(true, false)?;
        } else if stored.options.is_stopped || has_what_was_wished(&prepared, stored) {
            prepared.set_running(true, false)?;
        } else if prepared.is_paused && !prepared.is_auto_managed {
            // The user's last word is in the options; the record may be older than that, or of a
            // moment when the torrent was held back.
            prepared.set_running(false, false)?;
        }
        if stored.claims_in_doubt {
            tracing::warn!(torrent = %stored.id, "files may be incomplete after the power loss; checking");
            prepared.forget_pieces()?;
        }
        Ok(prepared)
    }

    /// What the files of a share are to look like; none when it is not known.
    fn marks(&self, id: TorrentId, look: FirstLook) -> Vec<FileMark> {
        let kept = match look {
            FirstLook::Same(marks) => return marks,
            FirstLook::Changed => runtime().and_then(|it| it.block_on(self.store.share_files(id))),
        };
        let failed = |error| tracing::error!(%error, share = %id, "cannot read a share's files");
        kept.map_err(failed).ok().flatten().unwrap_or_default()
    }

    /// A removal was acknowledged or under way when the process died: it is completed (rule D19).
    fn finish_removal(&self, stored: &LoadedTorrent) -> Result<()> {
        if matches!(stored.removal, Removal::WithData) {
            let metadata = stored.metadata_file.as_deref().unwrap_or_default();
            let prepared = Prepared::from_resume(&stored.resume, metadata)?;
            let files = payload_files(stored.id, prepared.metadata.as_deref());
            self.roots.delete_files(Path::new(&stored.save_path), &files)?;
        }
        runtime()?.block_on(self.store.finish_removal(stored.id))
    }

    fn show(&self, stored: &LoadedTorrent, reason: &str) -> Result<()> {
        let v1 = Some(Sha1Hash(stored.id.0));
        let Some(hashes) = InfoHashes::new(v1, stored.v2) else { return Ok(()) };
        let mut row = row(hashes, &stored.name, &stored.save_path, reason);
        if !stored.options.session.is_empty() {
            row.session = stored.options.session.as_str().into();
        }
        self.engine.show(row)
    }

    fn show_bad(&self, record: &BadRecord) {
        let id = record.id_text.parse::<TorrentId>();
        let hashes = id.ok().and_then(|id| InfoHashes::new(Some(Sha1Hash(id.0)), None));
        tracing::error!(
            torrent = record.id_text,
            reason = record.reason,
            "a record of the store is damaged; it is kept aside and its files are untouched"
        );
        if let Some(hashes) = hashes {
            let reason = format!("its record is damaged ({}); add it again", record.reason);
            let shown = self.engine.show(row(hashes, &record.name, &record.save_path, &reason));
            if let Err(error) = shown {
                tracing::error!(%error, "cannot show a damaged torrent");
            }
        }
    }
}

/// Whether only the metadata was wished, and is there: it was about to be stopped.
fn has_what_was_wished(prepared: &Prepared, stored: &LoadedTorrent) -> bool {
    stored.options.only_metadata && prepared.metadata.is_some()
}

fn runtime() -> Result<tokio::runtime::Handle> {
    tokio::runtime::Handle::try_current()
        .map_err(|_| Error::internal("loading outside the runtime"))
}

/// A torrent that cannot run, with the reason.
fn row(hashes: InfoHashes, name: &str, save_path: &str, reason: &str) -> Torrent {
    Torrent {
        id: hashes.id(),
        hashes,
        session: "default".into(),
        name: name.into(),
        save_path: save_path.into(),
        metadata: None,
        file_priorities: Arc::new([]),
        pieces: Arc::new(Bitfield::default()),
        trackers: Arc::new([]),
        status: Status {
            is_paused: true,
            error: reason.to_owned(),
            failure: Some(Failure::Lasting),
            availability: -1.0,
            queue_position: -1,
            scrape_seeds: -1,
            scrape_leeches: -1,
            ..Status::default()
        },
        revision: 0,
    }
}
