//! Shares in the making: hashing takes longer than a caller waits, so it goes on by itself, is
//! looked at, and can be cancelled. The wish is kept until it is fulfilled, refused or cancelled:
//! after a crash the work begins anew by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::hash::TorrentId;
use crate::domain::share::ShareWish;
use crate::service::accounts::Accounts;
use crate::service::authoring::HashMeter;
use crate::service::friends::Friends;
use crate::service::republish;
use crate::service::shares::Finished;
use crate::service::shares::Shares;
use crate::store::Store;

/// Jobs that may wait or run; each waits for the one before.
const RUNNING_MAX: usize = 64;
/// Finished jobs that can still be looked at.
const FINISHED_MAX: usize = 64;

/// One share in the making, or made, as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// No other job had it.
    pub number: u64,
    /// What is shared, as it was asked for.
    pub path: String,
    /// The share of which it is to be a new edition.
    pub replaces: Option<TorrentId>,
    /// Pieces done and pieces in all; zeros while it waits for its turn.
    pub pieces: (u32, u32),
    /// Bytes that were read and hashed; what a former edition knew already is none of them.
    pub hashed_bytes: u64,
    /// What came of it; `None` while it goes on.
    pub outcome: Option<Result<Finished>>,
}

/// The jobs; a cheap handle.
#[derive(Clone)]
pub struct ShareJobs {
    inner: Arc<Inner>,
}

struct Inner {
    shares: Shares,
    friends: Friends,
    accounts: Accounts,
    store: Store,
    table: Mutex<BTreeMap<u64, Job>>,
    /// Those of an earlier process that wait for the torrents to be loaded.
    kept: Mutex<Vec<u64>>,
}

struct Job {
    wish: ShareWish,
    meter: HashMeter,
    outcome: Option<Result<Finished>>,
}

impl ShareJobs {
    /// With those that an earlier process did not come to the end of; see
    /// [`ShareJobs::begin_kept`].
    pub fn new(
        shares: Shares,
        (friends, accounts): (Friends, Accounts),
        store: Store,
        kept: Vec<(u64, ShareWish)>,
    ) -> Self {
        let numbers = Mutex::new(kept.iter().map(|(number, _)| *number).collect());
        let job = |(number, wish)| (number, Job::new(wish));
        let table = Mutex::new(kept.into_iter().map(job).collect());
        Self { inner: Arc::new(Inner { shares, friends, accounts, store, table, kept: numbers }) }
    }

    /// Begins what was kept anew; call it inside the runtime, when the torrents are loaded. Jobs that
    /// were asked for meanwhile run already.
    pub fn begin_kept(&self) {
        let mut kept = self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for number in std::mem::take(&mut *kept) {
            tracing::info!(number, "making a share anew that the last process did not finish");
            self.run(number);
        }
    }

    /// Begins to share; returns once the wish is durable.
    ///
    /// # Errors
    /// Invalid; Conflict; Busy, when too many wait; `StorageFull`.
    pub async fn begin(&self, wish: ShareWish) -> Result<JobView> {
        self.inner.shares.check(&wish)?;
        let going_on = |job: &&Job| job.outcome.is_none();
        if self.lock().values().filter(going_on).count() >= RUNNING_MAX {
            return Err(Error::busy(format!("{RUNNING_MAX} shares are being made already")));
        }
        let number = self.inner.store.put_share_job(wish.clone()).await?;
        let job = Job::new(wish);
        let view = job.view(number);
        self.lock().insert(number, job);
        self.run(number);
        Ok(view)
    }

    /// Begins a new edition of a share; returns once the wish is durable.
    ///
    /// # Errors
    /// `NotFound`; else as [`ShareJobs::begin`].
    pub async fn begin_anew(&self, share: TorrentId) -> Result<JobView> {
        self.begin(republish::wish_of(&self.inner.shares, share)?).await
    }

    fn run(&self, number: u64) {
        let found = self.lock().get(&number).map(|job| (job.wish.clone(), job.meter.clone()));
        let Some((wish, meter)) = found else { return };
        let jobs = self.clone();
        tokio::spawn(async move {
            let inner = &jobs.inner;
            let outcome = match wish.replaces {
                None => inner.shares.share(&wish, meter, number).await,
                Some(old) => {
                    let all = (&inner.shares, &inner.friends, &inner.accounts);
                    republish::renew(all, (old, &wish), meter, number).await
                }
            };
            jobs.finish(number, outcome).await;
        });
    }

    async fn finish(&self, number: u64, outcome: Result<Finished>) {
        if let Err(error) = &outcome {
            tracing::info!(%error, number, "a share was not made");
            // Where it stays, it is tried again after the next start.
            if let Err(error) = self.inner.store.remove_share_job(number).await {
                tracing::warn!(%error, number, "a share that was not made is still kept as a wish");
            }
        }
        let mut table = self.lock();
        if let Some(job) = table.get_mut(&number) {
            job.outcome = Some(outcome);
        }
        let finished = table.iter().filter(|(_, job)| job.outcome.is_some());
        let finished: Vec<u64> = finished.map(|(number, _)| *number).collect();
        let too_many = finished.len().saturating_sub(FINISHED_MAX);
        for number in &finished[..too_many] {
            table.remove(number);
        }
    }

    /// How far one is.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, number: u64) -> Result<JobView> {
        let view = self.lock().get(&number).map(|job| job.view(number));
        view.ok_or_else(|| unknown(number))
    }

    /// All of them, the first begun first.
    pub fn list(&self) -> Vec<JobView> {
        self.lock().iter().map(|(number, job)| job.view(*number)).collect()
    }

    /// Ends one that goes on, for good once this returns; it is Conflict for who looks at it then.
    /// One that is made stays.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn cancel(&self, number: u64) -> Result<()> {
        let found = self.lock().get(&number).map(|job| (job.meter.clone(), job.outcome.is_some()));
        let (meter, is_over) = found.ok_or_else(|| unknown(number))?;
        if !is_over {
            self.inner.store.remove_share_job(number).await?;
            meter.cancel();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Job>> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(number: u64) -> Error {
    Error::not_found(format!("there is no share in the making {number}"))
}

impl Job {
    fn new(wish: ShareWish) -> Self {
        Self { wish, meter: HashMeter::default(), outcome: None }
    }

    fn view(&self, number: u64) -> JobView {
        JobView {
            number,
            path: self.wish.path.clone(),
            replaces: self.wish.replaces,
            pieces: self.meter.pieces(),
            hashed_bytes: self.meter.hashed_bytes(),
            outcome: self.outcome.clone(),
        }
    }
}
