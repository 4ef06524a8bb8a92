//! When descriptors run out (rule D18): what is kept back for the API, and patience.

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::Instant;
use tokio::time::sleep;

/// Descriptors kept back for the API: enough for a user to see what is wrong and to mend it.
pub(crate) const FOR_API: usize = 8;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Between two lines in the log about the same trouble.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Descriptors that are held open for nothing, to be given up when the process has no others.
#[derive(Debug)]
pub(crate) struct Reserve {
    size: usize,
    spare: Mutex<Vec<File>>,
}

/// How long to wait after an accept that failed: longer each time.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    next: Option<Duration>,
    warned: Option<Instant>,
}

impl Reserve {
    /// As many of `size` as the process can have.
    pub(crate) fn new(size: usize) -> Self {
        let reserve = Self { size, spare: Mutex::new(Vec::with_capacity(size)) };
        reserve.refill();
        reserve
    }

    /// Frees one descriptor; `false` when none is left.
    pub(crate) fn release(&self) -> bool {
        self.spare().pop().is_some()
    }

    /// Takes back what was freed, as far as the process can have it.
    pub(crate) fn refill(&self) {
        let mut spare = self.spare();
        while spare.len() < self.size
            && let Ok(file) = File::open("/dev/null")
        {
            spare.push(file);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<File>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    /// An accept succeeded: the next pause is short again.
    pub(crate) fn end(&mut self) {
        self.next = None;
    }

    /// Waits, and says why in the log, though not each time.
    pub(crate) async fn wait(&mut self, error: &io::Error) {
        if self.warned.is_none_or(|at| at.elapsed() > WARN_EVERY) {
            tracing::warn!(%error, "cannot take connections for the moment");
            self.warned = Some(Instant::now());
        }
        let pause = self.next.unwrap_or(PAUSE_MIN);
        self.next = Some((pause * 2).min(PAUSE_MAX));
        sleep(pause).await;
    }
}

/// A client that went away before it was taken; the next one may be fine.
pub(crate) fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::ConnectionAborted;
    use io::ErrorKind::ConnectionReset;
    use io::ErrorKind::Interrupted;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Whether the process or the system has no descriptor left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule D18.
    #[test]
    fn the_reserve_is_given_up_and_taken_back() {
        let reserve = Reserve::new(3);
        assert_eq!((0..9).filter(|_| reserve.release()).count(), 3);
        reserve.refill();
        assert!(reserve.release());
        assert!(!Reserve::new(0).release());
    }

    #[test]
    fn descriptors_that_ran_out_are_told_from_a_client_that_left() {
        let error = |errno: Errno| io::Error::from(errno);
        assert!(is_out_of_descriptors(&error(Errno::MFILE)));
        assert!(!is_out_of_descriptors(&error(Errno::CONNABORTED)));
        assert!(concerns_one_client(&error(Errno::CONNABORTED)));
        assert!(!concerns_one_client(&error(Errno::MFILE)));
    }
}
