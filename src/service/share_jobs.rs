//! Shares in the making: hashing takes longer than a caller waits, so it goes on by itself, is
//! looked at, and can be cancelled. A restart forgets it; sharing again begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::service::authoring::HashMeter;
use crate::service::shares::ShareWish;
use crate::service::shares::Shared;
use crate::service::shares::Shares;

/// Jobs that may wait or run; each waits for the one before.
const RUNNING_MAX: usize = 64;
/// Finished jobs that can still be looked at.
const FINISHED_MAX: usize = 64;

/// One share in the making, or made, as it is at one moment.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Counts up from the start of the program.
    pub number: u64,
    /// What is shared, as it was asked for.
    pub path: String,
    /// Pieces hashed and pieces in all; zeros while it waits for its turn.
    pub pieces: (u32, u32),
    /// What came of it; `None` while it goes on.
    pub outcome: Option<Result<Shared>>,
}

/// The jobs; a cheap handle.
#[derive(Clone)]
pub struct ShareJobs {
    shares: Shares,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    jobs: BTreeMap<u64, Job>,
    last: u64,
}

struct Job {
    path: String,
    meter: HashMeter,
    outcome: Option<Result<Shared>>,
}

impl ShareJobs {
    /// None yet.
    pub fn new(shares: Shares) -> Self {
        Self { shares, table: Arc::default() }
    }

    /// Begins to share; returns at once.
    ///
    /// # Errors
    /// Busy, when too many wait.
    pub fn begin(&self, wish: ShareWish) -> Result<JobView> {
        let meter = HashMeter::default();
        let mut table = self.lock();
        if table.jobs.values().filter(|job| job.outcome.is_none()).count() >= RUNNING_MAX {
            return Err(Error::busy(format!("{RUNNING_MAX} shares are being made already")));
        }
        table.last += 1;
        let number = table.last;
        let job = Job { path: wish.path.clone(), meter: meter.clone(), outcome: None };
        let view = job.view(number);
        table.jobs.insert(number, job);
        drop(table);
        let jobs = self.clone();
        tokio::spawn(async move {
            let outcome = jobs.shares.share(wish, meter).await;
            jobs.finish(number, outcome);
        });
        Ok(view)
    }

    fn finish(&self, number: u64, outcome: Result<Shared>) {
        if let Err(error) = &outcome {
            tracing::info!(%error, "a share was not made");
        }
        let mut table = self.lock();
        if let Some(job) = table.jobs.get_mut(&number) {
            job.outcome = Some(outcome);
        }
        let finished = table.jobs.iter().filter(|(_, job)| job.outcome.is_some());
        let finished: Vec<u64> = finished.map(|(number, _)| *number).collect();
        let too_many = finished.len().saturating_sub(FINISHED_MAX);
        for number in &finished[..too_many] {
            table.jobs.remove(number);
        }
    }

    /// How far one is.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, number: u64) -> Result<JobView> {
        let table = self.lock();
        let view = table.jobs.get(&number).map(|job| job.view(number));
        view.ok_or_else(|| Error::not_found(format!("there is no share in the making {number}")))
    }

    /// All of them, the first begun first.
    pub fn list(&self) -> Vec<JobView> {
        self.lock().jobs.iter().map(|(number, job)| job.view(*number)).collect()
    }

    /// Ends one that goes on; it is Conflict for who looks at it then. One that is made stays.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn cancel(&self, number: u64) -> Result<()> {
        let table = self.lock();
        let job = table.jobs.get(&number);
        job.map(|job| job.meter.cancel())
            .ok_or_else(|| Error::not_found(format!("there is no share in the making {number}")))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn view(&self, number: u64) -> JobView {
        let (path, outcome) = (self.path.clone(), self.outcome.clone());
        JobView { number, path, pieces: self.meter.pieces(), outcome }
    }
}
