//! What changes, told to everybody who listens: a snapshot, then changes, of our torrents and of
//! the tracker's swarms.
//!
//! A change is found once, however many read: at most once a second, and at once when a torrent's
//! state changes. All readers share one bounded row of past changes; each of them only holds its
//! place in it, so a slow one costs nothing and is told when it has fallen out. A reader that
//! comes back goes on where it left off, as long as that is still there. While nobody listens
//! nothing is done.

mod differences;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep_until;

use crate::domain::error::Error;
use crate::domain::event::Event;
use crate::domain::hash::TorrentId;
use crate::domain::ratio::Ratio;
use crate::domain::swarm::SwarmSummary;
use crate::domain::swarm::SwarmTotals;
use crate::domain::torrent::Torrent;
use crate::service::events::differences::swarms_changed;
use crate::service::events::differences::torrents_changed;
use crate::service::events::differences::values_changed;
use crate::service::labels::LabelSet;
use crate::service::share_jobs::JobView;
use crate::service::share_jobs::ShareJobs;
use crate::service::share_watch::ShareState;
use crate::service::shares::Shares;
use crate::service::swarms::Swarms;
use crate::service::torrents::Torrents;
use crate::service::upkeep::told;

/// How often changes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two changes of state that are told at once; those in between are told together.
const AT_ONCE_GAP: Duration = Duration::from_millis(100);
/// How long changes are still noted after the last reader went, for one that comes back.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Past changes that are kept: ten minutes of them, in a quiet household.
const PAST_MAX: usize = 600;
/// What past changes weigh together: a swarm 1, about 120 bytes, and a torrent 5.
const PAST_WEIGHT_MAX: usize = 65_536;
/// Changes that stay whatever they weigh, so that a reader has some seconds.
const PAST_MIN: usize = 4;
/// Swarms up to which each is told; past it only those of our own torrents, since looking at all
/// of a large tracker every second would cost more than its announces.
const SWARMS_MAX: u64 = 10_000;

/// The handle; cheap to clone.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    torrents: Torrents,
    swarms: Swarms,
    shares: Shares,
    jobs: ShareJobs,
    /// Names this run of the program: numbers of an earlier one mean nothing.
    run: u32,
    state: Mutex<State>,
    latest: watch::Sender<u64>,
    readers: watch::Sender<usize>,
}

/// What readers were told last, and how it came to that.
#[derive(Default)]
struct State {
    number: u64,
    /// False while nobody listens: the rest is empty then.
    is_kept: bool,
    torrents: BTreeMap<TorrentId, Labelled>,
    swarms: BTreeMap<TorrentId, SwarmSummary>,
    shares: BTreeMap<TorrentId, ShareState>,
    jobs: BTreeMap<u64, JobView>,
    overview: Overview,
    past: VecDeque<Arc<Change>>,
    past_weight: usize,
}

/// The place of a change in the row of all changes; what `Last-Event-ID` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    run: u32,
    number: u64,
}

/// Everything in one glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Our torrents.
    pub torrents: u64,
    /// Bytes/s received, payload of all torrents.
    pub download_rate: u64,
    /// Bytes/s sent, payload of all torrents.
    pub upload_rate: u64,
    /// Sums over all swarms of the tracker.
    pub swarms: SwarmTotals,
    /// There are so many swarms that only those of our own torrents are told.
    pub only_own_swarms: bool,
}

/// A torrent and what users say of it, at one moment.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// The torrent.
    pub torrent: Arc<Torrent>,
    /// Its labels.
    pub labels: Arc<LabelSet>,
    /// How far it is to be seeded, when somebody said so.
    pub seed_ratio: Option<Ratio>,
}

/// Most who look want the torrent only.
impl Deref for Labelled {
    type Target = Torrent;

    fn deref(&self) -> &Torrent {
        &self.torrent
    }
}

/// A value that came, changed or went.
#[derive(Clone, Debug)]
pub struct Changed<T> {
    /// As it was told last; `None` when it is new.
    pub before: Option<T>,
    /// As it is; `None` when it is gone.
    pub after: Option<T>,
}

/// What changed since the change before.
pub struct Change {
    /// Its place.
    pub id: EventId,
    /// Our torrents, in the order of their ids.
    pub torrents: Vec<(TorrentId, Changed<Labelled>)>,
    /// Swarms, in the order of their info-hashes.
    pub swarms: Vec<(TorrentId, Changed<SwarmSummary>)>,
    /// Shares, in the order of their ids.
    pub shares: Vec<(TorrentId, Changed<ShareState>)>,
    /// Shares in the making, in the order of their numbers.
    pub jobs: Vec<(u64, Changed<JobView>)>,
    /// The glance before and after.
    pub overview: (Overview, Overview),
    words: Mutex<Vec<(&'static str, Bytes)>>,
}

/// Everything as it is; the changes after `id` lead on from it.
pub struct Snapshot {
    /// The place of the last change in it.
    pub id: EventId,
    /// Our torrents, in the order of their ids.
    pub torrents: Vec<Labelled>,
    /// Swarms, in the order of their info-hashes.
    pub swarms: Vec<SwarmSummary>,
    /// Shares, in the order of their ids.
    pub shares: Vec<(TorrentId, ShareState)>,
    /// Shares in the making, in the order of their numbers.
    pub jobs: Vec<JobView>,
    /// The glance.
    pub overview: Overview,
}

/// A reader fell so far behind that changes are lost to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

/// One reader's place.
pub struct Reader {
    events: Events,
    next: u64,
    latest: watch::Receiver<u64>,
}

/// Which changes are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    AtAll,
    /// At torrents that came, went, or do something else now.
    AtStates,
}

impl Events {
    /// Over the services that know; [`run`] has to run beside it.
    pub fn new(torrents: Torrents, swarms: Swarms, (shares, jobs): (Shares, ShareJobs)) -> Self {
        let mut run = [0; 4];
        // Should the system have no random numbers, the numbers of runs are merely all the same.
        let _ = getrandom::fill(&mut run);
        let (latest, readers) = (watch::Sender::new(0), watch::Sender::new(0));
        let (run, state) = (u32::from_le_bytes(run), Mutex::default());
        let inner = Inner { torrents, swarms, shares, jobs, run, state, latest, readers };
        Self { inner: Arc::new(inner) }
    }

    /// A reader of all changes from now on, with everything as it is; or of those after `last`
    /// and no snapshot, if they are all still there.
    pub fn subscribe(&self, last: Option<EventId>) -> (Option<Snapshot>, Reader) {
        self.inner.readers.send_modify(|count| *count += 1);
        let latest = self.inner.latest.subscribe();
        let mut state = self.state();
        if !state.is_kept {
            // Numbers of the time when somebody listened last must not fit any more.
            state.number += 1;
            state.is_kept = true;
            self.look(&mut state, Look::AtAll);
            state.forget_past();
        }
        let resumed = last.filter(|last| last.run == self.inner.run && state.leads_on(last.number));
        let number = resumed.map_or(state.number, |last| last.number);
        let snapshot = resumed.is_none().then(|| self.snapshot(&state));
        drop(state);
        (snapshot, Reader { events: self.clone(), next: number + 1, latest })
    }

    fn snapshot(&self, state: &State) -> Snapshot {
        Snapshot {
            id: self.id(state.number),
            torrents: state.torrents.values().cloned().collect(),
            swarms: state.swarms.values().copied().collect(),
            shares: state.shares.iter().map(|(id, share)| (*id, share.clone())).collect(),
            jobs: state.jobs.values().cloned().collect(),
            overview: state.overview,
        }
    }

    fn id(&self, number: u64) -> EventId {
        EventId { run: self.inner.run, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps nothing, unless somebody came meanwhile.
    fn rest(&self) {
        let mut state = self.state();
        if *self.inner.readers.borrow() == 0 {
            state.clear();
        }
    }

    /// Finds what changed and tells it.
    fn tell(&self, look: Look) {
        let mut state = self.state();
        self.look(&mut state, look);
        let number = state.number;
        drop(state);
        self.inner.latest.send_if_modified(|seen| std::mem::replace(seen, number) != number);
    }

    fn look(&self, state: &mut State, look: Look) {
        let all = &self.inner.torrents;
        let present = all.list().into_iter().map(|torrent| Labelled {
            labels: all.labels().get(torrent.id),
            seed_ratio: all.seed_ratio(torrent.id),
            torrent,
        });
        let torrents = torrents_changed(present.collect(), &mut state.torrents, look);
        let before = state.overview;
        let (mut swarms, mut shares, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        if look == Look::AtAll {
            let (present, only_own_swarms) = self.swarms();
            swarms = swarms_changed(present, &mut state.swarms);
            shares = values_changed(self.inner.shares.states(), &mut state.shares);
            let present = self.inner.jobs.list().into_iter().map(|job| (job.number, job));
            jobs = values_changed(present.collect(), &mut state.jobs);
            state.overview = self.overview(&state.torrents, only_own_swarms);
        }
        let overview = (before, state.overview);
        let is_nothing = torrents.is_empty()
            && swarms.is_empty()
            && shares.is_empty()
            && jobs.is_empty()
            && overview.0 == overview.1;
        if is_nothing {
            return;
        }
        state.number += 1;
        let (id, words) = (self.id(state.number), Mutex::default());
        state.keep(Change { id, torrents, swarms, shares, jobs, overview, words });
    }

    fn swarms(&self) -> (Vec<SwarmSummary>, bool) {
        if self.inner.swarms.totals().swarms <= SWARMS_MAX {
            return (self.inner.swarms.list(), false);
        }
        let hashes = self.inner.torrents.list().into_iter().flat_map(|torrent| {
            let v2 = torrent.hashes.v2().map(|hash| hash.truncated());
            [Some(torrent.id), v2].into_iter().flatten()
        });
        let mut own: Vec<_> = hashes.filter_map(|hash| self.inner.swarms.get(&hash)).collect();
        own.sort_unstable_by_key(|summary| summary.info_hash);
        own.dedup_by_key(|summary| summary.info_hash);
        (own, true)
    }

    fn overview(
        &self,
        torrents: &BTreeMap<TorrentId, Labelled>,
        only_own_swarms: bool,
    ) -> Overview {
        let sum = |rate: fn(&Torrent) -> u32| torrents.values().map(|t| u64::from(rate(t))).sum();
        Overview {
            torrents: torrents.len() as u64,
            download_rate: sum(|torrent| torrent.status.download_rate),
            upload_rate: sum(|torrent| torrent.status.upload_rate),
            swarms: self.inner.swarms.totals(),
            only_own_swarms,
        }
    }
}

impl State {
    /// Whether every change after `number` is still there.
    fn leads_on(&self, number: u64) -> bool {
        let oldest = self.past.front().map_or(self.number + 1, |change| change.id.number);
        (oldest..=self.number + 1).contains(&(number.saturating_add(1)))
    }

    fn keep(&mut self, change: Change) {
        self.past_weight += change.weight();
        self.past.push_back(Arc::new(change));
        while self.past.len() > PAST_MIN
            && (self.past.len() > PAST_MAX || self.past_weight > PAST_WEIGHT_MAX)
        {
            let gone = self.past.pop_front();
            self.past_weight -= gone.map_or(0, |gone| gone.weight());
        }
    }

    fn forget_past(&mut self) {
        self.past = VecDeque::new();
        self.past_weight = 0;
    }

    /// Nobody listens: nothing is kept but the number.
    fn clear(&mut self) {
        *self = Self { number: self.number, ..Self::default() };
    }
}

impl Change {
    fn weight(&self) -> usize {
        5 * self.torrents.len() + self.swarms.len() + self.shares.len() + 2 * self.jobs.len()
    }

    /// What one API makes of it: made once, however many read it.
    pub fn words(&self, api: &'static str, make: impl FnOnce(&Self) -> Vec<u8>) -> Bytes {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = words.iter().find(|(of, _)| *of == api) {
            return text.clone();
        }
        let text = Bytes::from(make(self));
        words.push((api, text.clone()));
        text
    }
}

impl Reader {
    /// The next change, as soon as there is one.
    ///
    /// # Errors
    /// [`TooSlow`], when it is gone already.
    pub async fn next(&mut self) -> Result<Arc<Change>, TooSlow> {
        // The hub lives as long as this reader's handle to it.
        let _ = self.latest.wait_for(|latest| *latest >= self.next).await;
        let state = self.events.state();
        let oldest = state.past.front().map_or(u64::MAX, |change| change.id.number);
        let place = self.next.checked_sub(oldest).ok_or(TooSlow)?;
        let found = usize::try_from(place).ok().and_then(|place| state.past.get(place));
        let change = found.cloned().ok_or(TooSlow)?;
        self.next += 1;
        Ok(change)
    }

    /// What `api` makes of the next change that is something to it: what changed may be nothing
    /// that it shows.
    ///
    /// # Errors
    /// [`TooSlow`], when that change is gone already.
    pub async fn next_words(
        &mut self,
        api: &'static str,
        make: fn(&Change) -> Vec<u8>,
    ) -> Result<Bytes, TooSlow> {
        loop {
            let words = self.next().await?.words(api, make);
            if !words.is_empty() {
                return Ok(words);
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.events.inner.readers.send_modify(|count| *count -= 1);
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('-').and_then(|(run, number)| {
            Some(Self { run: u32::from_str_radix(run, 16).ok()?, number: number.parse().ok()? })
        });
        parts.ok_or_else(|| Error::invalid("no id of an event of ours"))
    }
}

/// Looks for changes while somebody listens, until `stop` turns true.
pub async fn run(events: Events, mut stop: watch::Receiver<bool>) {
    let mut readers = events.inner.readers.subscribe();
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            _ = readers.wait_for(|count| *count > 0) => {}
        }
        tokio::select! {
            () = told(&mut stop) => return,
            () = watch_until_left(&events) => events.rest(),
        }
    }
}

/// Ends when nobody has listened for a while. Holds no reader's place itself.
async fn watch_until_left(events: &Events) {
    let mut happened = events.inner.torrents.events();
    let mut told_at = Instant::now();
    let mut look_at = told_at + LOOK_EVERY;
    let mut at_once_at = None;
    let mut left_at = None;
    loop {
        let is_left = *events.inner.readers.borrow() == 0;
        left_at = is_left.then(|| left_at.unwrap_or_else(Instant::now));
        if left_at.is_some_and(|at| at.elapsed() > KEPT_FOR) {
            return;
        }
        tokio::select! {
            () = sleep_until(look_at) => {
                look_at = Instant::now() + LOOK_EVERY;
                (told_at, at_once_at) = (Instant::now(), None);
                events.tell(Look::AtAll);
            }
            () = sleep_until(at_once_at.unwrap_or(look_at)), if at_once_at.is_some() => {
                (told_at, at_once_at) = (Instant::now(), None);
                events.tell(Look::AtStates);
            }
            event = happened.recv(), if at_once_at.is_none() => match event {
                Ok(event) if is_of_state(&event) => at_once_at = Some(told_at + AT_ONCE_GAP),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => at_once_at = Some(told_at + AT_ONCE_GAP),
                // The engine has stopped.
                Err(RecvError::Closed) => std::future::pending().await,
            },
        }
    }
}

fn is_of_state(event: &Event) -> bool {
    matches!(
        event,
        Event::Added(_)
            | Event::Removed(_)
            | Event::MetadataReceived(_)
            | Event::Finished(_)
            | Event::StateChanged(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: u64, swarms: usize) -> Change {
        let hash = TorrentId([1; 20]);
        let swarms = vec![(hash, Changed { before: None, after: None }); swarms];
        let (id, overview) = (EventId { run: 1, number }, Default::default());
        let (torrents, shares, jobs) = (Vec::new(), Vec::new(), Vec::new());
        Change { id, torrents, swarms, shares, jobs, overview, words: Mutex::default() }
    }

    /// Rule W13: what waits for readers is bounded, whatever it is.
    #[test]
    fn w13_the_past_is_bounded_by_changes_and_by_weight() {
        let mut state = State::default();
        for number in 1..=2000 {
            state.keep(change(number, 1));
            state.number = number;
        }
        assert_eq!((state.past.len(), state.past_weight), (PAST_MAX, PAST_MAX));
        for number in 2001..=2010 {
            state.keep(change(number, PAST_WEIGHT_MAX / 8));
            state.number = number;
        }
        assert_eq!((state.past.len(), state.past_weight), (8, PAST_WEIGHT_MAX));
        assert!(!state.leads_on(2001) && state.leads_on(2002) && state.leads_on(2010));
        assert!(!state.leads_on(2011) && !state.leads_on(u64::MAX));
        state.keep(change(2011, PAST_WEIGHT_MAX * 2));
        assert_eq!(state.past.len(), PAST_MIN, "the last ones stay");
    }

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        let id = EventId { run: 0xab, number: 17 };
        assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        for wrong in ["", "17", "x-1", "1-x", "-", "1-18446744073709551616"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    /// The cost of an event does not grow with its readers.
    #[test]
    fn the_words_of_an_api_are_made_once() {
        let change = change(1, 0);
        let mut made = 0;
        for _ in 0..64 {
            let words = change.words("one", |_| {
                made += 1;
                b"text".to_vec()
            });
            assert_eq!(words, "text");
        }
        assert_eq!(change.words("two", |_| b"other".to_vec()), "other");
        assert_eq!(made, 1);
    }
}
