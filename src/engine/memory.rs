//! Memory that is free and still held, given back after many torrents came or went.
//!
//! Taking a torrent in needs far more than keeping it: its file as text and as bytes, what is parsed
//! of it, records on their way to the store. What is freed of that lies between what stays, and the
//! allocator keeps it: 2 MiB after 1,000 torrents.

use std::time::Duration;
use std::time::Instant;

use crate::engine::ffi_details::bridge;

/// So many torrents more or fewer are worth a walk over the heap, a millisecond for 10 MiB.
const MANY: usize = 100;
/// So long none has come or gone.
const QUIET: Duration = Duration::from_secs(2);

/// How many torrents there were, and since when.
pub(crate) struct Memory {
    torrents: usize,
    since: Instant,
    /// How many there were when free memory was last given back.
    settled: usize,
}

impl Memory {
    /// At the start, without torrents.
    pub(crate) fn new(now: Instant) -> Self {
        Self { torrents: 0, since: now, settled: 0 }
    }

    /// To be called about once a second with the number of torrents; gives back when it is time.
    pub(crate) fn look(&mut self, torrents: usize, now: Instant) {
        if self.is_due(torrents, now) {
            bridge::release_free_memory();
        }
    }

    fn is_due(&mut self, torrents: usize, now: Instant) -> bool {
        if torrents != self.torrents {
            self.torrents = torrents;
            self.since = now;
        }
        let many = torrents.abs_diff(self.settled) >= MANY;
        let is_due = many && now.duration_since(self.since) >= QUIET;
        if is_due {
            self.settled = torrents;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_once_after_many_came_or_went_and_all_is_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut memory = Memory::new(start);
        let looks = [
            (60, 0, false, "none ever came"),
            (61, 99, false, "too few for the walk"),
            (70, 99, false, "still too few"),
            (71, 500, false, "they are coming"),
            (72, 1000, false, "they are coming"),
            (73, 1000, false, "not quiet for long"),
            (74, 1000, true, "quiet"),
            (75, 1000, false, "once is enough"),
            (80, 1001, false, "one is not many"),
            (90, 900, false, "they are going"),
            (92, 900, true, "a hundred less, and quiet"),
        ];
        for (second, torrents, expected, why) in looks {
            assert_eq!(memory.is_due(torrents, at(second)), expected, "{why}");
        }
    }
}
