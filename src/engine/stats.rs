//! Statistics of the sessions: asked for at most once a second, and only while somebody reads.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::domain::stats::EngineStats;
use crate::domain::stats::SessionStats;
use crate::domain::stats::StatName;
use crate::engine::actor::Slot;
use crate::engine::actor::note_failure;
use crate::engine::ffi::bridge;
use crate::engine::message::Reply;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// What the engine thread knows of statistics.
#[derive(Default)]
pub(crate) struct Stats {
    /// What libtorrent calls each of them, with its place in an alert.
    known: Option<(Arc<[StatName]>, Vec<usize>)>,
    last: Option<(Instant, Arc<EngineStats>)>,
    /// What the sessions have answered since they were asked; `None` = not asked.
    answers: Option<Vec<Option<SessionStats>>>,
    waiting: Vec<Reply<Arc<EngineStats>>>,
}

impl Stats {
    /// Answers from memory when that is fresh, else as soon as every session has answered.
    pub(crate) fn ask(&mut self, slots: &mut [Slot], reply: Reply<Arc<EngineStats>>) {
        if let Some((_, last)) = self.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            let _ = reply.send(Ok(Arc::clone(last)));
            return;
        }
        self.waiting.push(reply);
        if self.answers.is_some() {
            return;
        }
        self.answers = Some(slots.iter().map(|_| None).collect());
        for slot in slots {
            note_failure("ask for statistics", slot.session.pin_mut().post_stats());
        }
    }

    /// What a drain brought: a session has answered, if there are values.
    pub(crate) fn answered(&mut self, slots: &[Slot], index: usize, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        let (names, places) = self.known.get_or_insert_with(known);
        let names = Arc::clone(names);
        let (Some(answers), Some(slot)) = (&mut self.answers, slots.get(index)) else {
            return;
        };
        let value = |place: &usize| values.get(*place).copied().unwrap_or(0);
        answers[index] = Some(SessionStats {
            session: Arc::clone(&slot.name),
            at_ms: unix_now_ms(),
            values: places.iter().map(value).collect(),
        });
        if answers.iter().any(Option::is_none) {
            return;
        }
        let sessions = self.answers.take().unwrap_or_default().into_iter().flatten().collect();
        let stats = Arc::new(EngineStats { names, sessions });
        self.last = Some((Instant::now(), Arc::clone(&stats)));
        for reply in self.waiting.drain(..) {
            let _ = reply.send(Ok(Arc::clone(&stats)));
        }
    }
}

fn known() -> (Arc<[StatName]>, Vec<usize>) {
    let mut known = bridge::stat_names().unwrap_or_default();
    known.sort_by_key(|one| one.index);
    let places = known.iter().map(|one| one.index as usize).collect();
    let name = |one: bridge::StatName| StatName { name: one.name, is_counter: one.is_counter };
    (known.into_iter().map(name).collect(), places)
}

fn unix_now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
