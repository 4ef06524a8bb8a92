//! The end of the engine thread (rule D16): save, leave the swarms, let go.

use std::time::Duration;
use std::time::Instant;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::actor::Actor;
use crate::engine::actor::note_failure;

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
        let unsaved = self.saves_under_way;
        for slot in &mut self.slots {
            note_failure("abort", slot.session.pin_mut().abort());
        }
        self.slots.clear();
        if unsaved > 0 {
            return Err(Error::busy(format!("{unsaved} torrents were not saved in time")));
        }
        Ok(())
    }
}
