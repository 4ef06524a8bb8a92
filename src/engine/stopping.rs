//! The end of the engine thread (rule D16): save, leave the swarms, let go.

use std::time::Duration;
use std::time::Instant;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::actor::Actor;

/// How long to wait for disk jobs beyond the saves.
const QUIET_LIMIT: Duration = Duration::from_secs(2);
/// How long to sleep between two looks at the alerts while saves are under way.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Actor {
    /// Saves all resume data, sends `stopped` to the trackers and destroys the sessions.
    ///
    /// Destroying a session waits for libtorrent's thread, which waits for the trackers as long
    /// as `stop_tracker_timeout` says.
    pub(crate) fn stop(&mut self, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        self.drain();
        self.save_all();
        while self.saves_under_way > 0 && begin.elapsed() < limit {
            self.drain();
            std::thread::sleep(LOOK_EVERY);
        }
        // libtorrent's own disk back end (2.0.8) throws through its network thread, which ends the
        // process, when a peer's read still waits as the session ends. A torrent says that it is
        // paused when it has no disk job left.
        while self.is_busy() && begin.elapsed() < limit.min(QUIET_LIMIT) {
            self.drain();
            std::thread::sleep(LOOK_EVERY);
        }
        let unsaved = self.saves_under_way;
        self.slots.end();
        if unsaved > 0 {
            return Err(Error::busy(format!("{unsaved} torrents were not saved in time")));
        }
        Ok(())
    }

    /// Whether a torrent may still have disk jobs.
    fn is_busy(&self) -> bool {
        let mut live = self.torrents.iter().filter(|(_, entry)| !entry.is_shown_only);
        live.any(|(token, _)| self.board.row(*token).is_some_and(|row| !row.status.is_paused))
    }
}
