//! Statistics of the sessions: asked for at most once a second, and only while somebody reads.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::domain::stats::EngineStats;
use crate::domain::stats::SessionStats;
use crate::domain::stats::StatName;
use crate::engine::actor::note_failure;
use crate::engine::ffi::bridge;
use crate::engine::message::Reply;
use crate::engine::slots::Slot;
use crate::engine::slots::Slots;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// What the engine thread knows of statistics.
#[derive(Default)]
pub(crate) struct Stats {
    /// What libtorrent calls each of them, with its place in an alert.
    known: Option<(Arc<[StatName]>, Vec<usize>)>,
    last: Option<(Instant, Arc<EngineStats>)>,
    /// What the sessions, by their numbers, have answered since they were asked; `None` = not asked.
    answers: Option<Vec<(u32, Option<SessionStats>)>>,
    waiting: Vec<Reply<Arc<EngineStats>>>,
}

impl Stats {
    /// Answers from memory when that is fresh, else as soon as every session has answered.
    pub(crate) fn ask(&mut self, slots: &mut Slots, reply: Reply<Arc<EngineStats>>) {
        if let Some((_, last)) = self.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            let _ = reply.send(Ok(Arc::clone(last)));
            return;
        }
        self.waiting.push(reply);
        if self.answers.is_some() {
            return;
        }
        self.answers = Some(slots.numbers().into_iter().map(|number| (number, None)).collect());
        for slot in slots.iter_mut() {
            note_failure("ask for statistics", slot.session.pin_mut().post_stats());
        }
    }

    /// What a drain brought: a session has answered, if there are values.
    pub(crate) fn answered(&mut self, slot: &Slot, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        let (_, places) = self.known.get_or_insert_with(known);
        let answers = self.answers.iter_mut().flatten();
        // One that was opened since then was not asked.
        let Some((_, answer)) = answers.into_iter().find(|(number, _)| *number == slot.number)
        else {
            return;
        };
        let value = |place: &usize| values.get(*place).copied().unwrap_or(0);
        *answer = Some(SessionStats {
            session: Arc::clone(&slot.name),
            at_ms: unix_now_ms(),
            values: places.iter().map(value).collect(),
        });
        self.conclude();
    }

    /// A session was closed: nobody waits for its answer.
    pub(crate) fn closed(&mut self, number: u32) {
        if let Some(answers) = &mut self.answers {
            answers.retain(|(asked, _)| *asked != number);
            self.conclude();
        }
        // What was answered from memory must not name it.
        self.last = None;
    }

    /// Answers those who wait, once every session has answered.
    fn conclude(&mut self) {
        let is_open = |answers: &Vec<(u32, Option<SessionStats>)>| {
            answers.iter().any(|(_, answer)| answer.is_none())
        };
        if self.answers.as_ref().is_none_or(is_open) {
            return;
        }
        let names = Arc::clone(&self.known.get_or_insert_with(known).0);
        let answers = self.answers.take().unwrap_or_default();
        let sessions = answers.into_iter().filter_map(|(_, answer)| answer).collect();
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
