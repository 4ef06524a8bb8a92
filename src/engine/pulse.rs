//! A sign of life: when the engine thread last went round.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

/// How long a round may take: adding thousands of torrents or a slow disk must not look like death.
const ROUND_MAX: Duration = Duration::from_secs(30);

/// Noted by the engine thread, read by whoever wonders.
pub(crate) struct Pulse {
    started: Instant,
    round_at_ms: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { started: Instant::now(), round_at_ms: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// A round was done just now.
    pub(crate) fn note(&self) {
        self.round_at_ms.store(self.now_ms(), Relaxed);
    }

    /// Whether the last round is not long ago.
    pub(crate) fn is_recent(&self) -> bool {
        let since_ms = self.now_ms().saturating_sub(self.round_at_ms.load(Relaxed));
        Duration::from_millis(since_ms) < ROUND_MAX
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule T9: a thread that does not come round is noticed.
    #[test]
    fn t9_a_pulse_that_stops_is_noticed() {
        let started = Instant::now() - ROUND_MAX * 2;
        let pulse = Pulse { started, round_at_ms: AtomicU64::new(0) };
        assert!(!pulse.is_recent());
        pulse.note();
        assert!(pulse.is_recent());
    }
}
