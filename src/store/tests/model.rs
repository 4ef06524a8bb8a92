//! Random sequences of changes against maps in memory, with stops and crashes in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Add(u32, Option<Vec<u8>>),
    Resume(u32, Vec<u8>, Option<Vec<u8>>),
    Options(u32, bool, String),
    Begin(u32, bool),
    Finish(u32),
    Set(u8, Option<String>),
    Count(u8, i64),
    Reopen(bool),
}

#[derive(Default)]
struct Model {
    torrents: BTreeMap<u32, LoadedTorrent>,
    order: Vec<u32>,
    settings: BTreeMap<String, String>,
    counters: BTreeMap<String, i64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0u32..4;
    let bytes = || prop::collection::vec(any::<u8>(), 0..6000);
    let file = || prop::option::of(bytes());
    let step = prop_oneof![
        3 => (number.clone(), file()).prop_map(|(n, file)| Step::Add(n, file)),
        3 => (number.clone(), bytes(), file()).prop_map(|(n, data, f)| Step::Resume(n, data, f)),
        1 => (number.clone(), any::<bool>(), ".*").prop_map(|(n, s, d)| Step::Options(n, s, d)),
        1 => (number.clone(), any::<bool>()).prop_map(|(n, data)| Step::Begin(n, data)),
        1 => number.prop_map(Step::Finish),
        1 => (0u8..3, prop::option::of(".*")).prop_map(|(key, value)| Step::Set(key, value)),
        1 => (0u8..3, any::<i64>()).prop_map(|(name, delta)| Step::Count(name, delta)),
        1 => any::<bool>().prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

impl Model {
    /// Does the step here, and says with which kind of error the store should refuse it.
    fn take(&mut self, step: &Step) -> Option<ErrorKind> {
        match step {
            Step::Add(number, _) if self.torrents.contains_key(number) => Some(ErrorKind::Conflict),
            Step::Add(number, file) => {
                self.add(*number, file.clone());
                None
            }
            Step::Resume(number, data, file) => {
                let torrent = self.torrents.get_mut(number);
                if let Some(kept) = torrent.filter(|kept| kept.removal == Removal::Not) {
                    kept.resume = data.clone();
                    kept.claimed_pieces = 1;
                    kept.metadata_file = kept.metadata_file.take().or_else(|| file.clone());
                }
                None
            }
            Step::Options(number, is_stopped, dir) => self.change(*number, |kept| {
                kept.options = options(*is_stopped, dir);
            }),
            Step::Begin(number, true) => {
                self.change(*number, |kept| kept.removal = Removal::WithData)
            }
            Step::Begin(number, false) => {
                self.change(*number, |kept| kept.removal = Removal::KeepData)
            }
            Step::Finish(number) => {
                self.torrents.remove(number);
                self.order.retain(|kept| kept != number);
                None
            }
            Step::Set(key, value) => {
                match value {
                    Some(value) => self.settings.insert(key.to_string(), value.clone()),
                    None => self.settings.remove(&key.to_string()),
                };
                None
            }
            Step::Count(name, delta) => {
                let total = self.counters.entry(name.to_string()).or_default();
                *total = total.saturating_add(*delta);
                None
            }
            Step::Reopen(_) => None,
        }
    }

    fn add(&mut self, number: u32, metadata_file: Option<Vec<u8>>) {
        let new = torrent(number);
        let kept = LoadedTorrent {
            id: new.id,
            v2: new.v2,
            name: new.name,
            save_path: new.save_path,
            resume: new.resume,
            metadata_file,
            added_at: new.added_at,
            options: new.options,
            removal: Removal::Not,
            payload_synced: true,
            claimed_pieces: 0,
            claims_in_doubt: false,
        };
        self.torrents.insert(number, kept);
        self.order.push(number);
    }

    fn change(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut LoadedTorrent),
    ) -> Option<ErrorKind> {
        match self.torrents.get_mut(&number) {
            Some(kept) => {
                change(kept);
                None
            }
            None => Some(ErrorKind::NotFound),
        }
    }

    fn compare(&self, opened: &Opened, room: &Room) {
        let torrents: Vec<_> =
            self.order.iter().map(|number| self.torrents[number].clone()).collect();
        assert_eq!(opened.torrents, torrents);
        assert_eq!(opened.bad, []);
        let counters: Vec<_> = self.counters.clone().into_iter().collect();
        assert_eq!(room.wait(opened.store.counters()).unwrap(), counters);
        for key in ["0", "1", "2"] {
            let kept = room.wait(opened.store.setting(key)).unwrap();
            assert_eq!(kept.as_ref(), self.settings.get(key));
        }
    }
}

fn options(is_stopped: bool, dir: &str) -> TorrentOptions {
    TorrentOptions { is_stopped, completed_dir: dir.into(), ..TorrentOptions::default() }
}

async fn tell(store: &Store, step: Step) -> Result<()> {
    match step {
        Step::Add(number, metadata_file) => {
            store.add_torrent(NewTorrent { metadata_file, ..torrent(number) }).await
        }
        Step::Resume(number, data, metadata_file) => {
            let record = ResumeRecord { resume: data, metadata_file, ..resume(number, "") };
            store.save_resume(record).await
        }
        Step::Options(number, is_stopped, dir) => {
            store.change_options(id(number), move |kept| *kept = options(is_stopped, &dir)).await
        }
        Step::Begin(number, remove_data) => store.begin_removal(id(number), remove_data).await,
        Step::Finish(number) => store.finish_removal(id(number)).await,
        Step::Set(key, value) => store.set_setting(&key.to_string(), value.as_deref()).await,
        Step::Count(name, delta) => store.add_counter(&name.to_string(), delta).await,
        Step::Reopen(_) => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Rules D1, D2: the file holds what a map in memory would, after every stop and crash.
    #[test]
    fn the_file_holds_what_was_told(steps in steps()) {
        let room = Room::new();
        let mut opened = room.open();
        let mut model = Model::default();
        for step in steps.into_iter().chain([Step::Reopen(true), Step::Reopen(false)]) {
            let expected = model.take(&step);
            if let Step::Reopen(is_clean) = step {
                if is_clean {
                    room.wait(opened.store.close(true)).unwrap();
                }
                drop(opened);
                opened = room.open();
                assert_eq!(opened.was_clean, is_clean);
                model.compare(&opened, &room);
                continue;
            }
            let outcome = room.wait(tell(&opened.store, step));
            prop_assert_eq!(outcome.err().map(|error| error.kind()), expected);
        }
    }
}
