//! kill -9 at random instants: what was acknowledged is there (rule D1).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env;
use std::io::Read;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::*;

const CYCLES: u32 = 12;
const WRITERS: u32 = 16;

/// What the killed processes said before they died.
#[derive(Default)]
struct Said {
    added: BTreeSet<u32>,
    going: BTreeSet<u32>,
    begun: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    settings: BTreeMap<u32, u32>,
    counts: BTreeMap<u32, i64>,
}

impl Said {
    /// Takes in whole lines; the kill may have cut the last one.
    fn listen(&mut self, output: &str) {
        for line in output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut words = line.split(' ');
            let word = words.next().unwrap_or_default();
            let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
            match (word, &numbers[..]) {
                ("added", [number]) => drop(self.added.insert(*number)),
                ("going", [number]) => drop(self.going.insert(*number)),
                ("begun", [number]) => drop(self.begun.insert(*number)),
                ("gone", [number]) => drop(self.gone.insert(*number)),
                ("set", [writer, value]) => drop(self.settings.insert(*writer, *value)),
                ("counted", [writer]) => *self.counts.entry(*writer).or_default() += 1,
                _ => {}
            }
        }
    }

    fn compare(&self, opened: &Opened, room: &Room) {
        assert!(!opened.was_clean && opened.same_boot);
        assert_eq!(opened.bad, []);
        let kept: BTreeMap<_, _> = opened.torrents.iter().map(|t| (t.id, t)).collect();
        for number in &self.added {
            let torrent = kept.get(&id(*number));
            assert!(torrent.is_some() || self.going.contains(number), "torrent {number} is lost");
            let removal = torrent.map(|torrent| torrent.removal);
            if self.begun.contains(number) {
                assert_ne!(removal, Some(Removal::Not), "the removal of {number} is forgotten");
            }
            assert!(removal.is_none() || !self.gone.contains(number), "torrent {number} is back");
        }
        for (writer, value) in &self.settings {
            let kept = room.wait(opened.store.setting(&writer.to_string())).unwrap().unwrap();
            assert!(kept.parse::<u32>().unwrap() >= *value, "setting {writer}");
        }
        let kept: BTreeMap<_, _> =
            room.wait(opened.store.counters()).unwrap().into_iter().collect();
        for (writer, count) in &self.counts {
            assert!(kept[&writer.to_string()] >= *count, "counter {writer}");
        }
    }
}

/// Rules D1, D2, D19: whatever the killed process has acknowledged is in the file.
#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let room = Room::new();
    let mut said = Said::default();
    for cycle in 0..CYCLES {
        let mut child = spawn_writer(&room, cycle);
        said.listen(&run_and_kill(&mut child));
        let opened = room.open();
        said.compare(&opened, &room);
        room.wait(opened.store.close(false)).unwrap();
    }
    assert!(said.gone.len() > 10, "too little happened to prove anything");
}

fn spawn_writer(room: &Room, cycle: u32) -> Child {
    let module = module_path!().trim_start_matches("cove::");
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::child_that_writes_until_killed")])
        .env("COVE_TEST_CRASH", room.path())
        .env("COVE_TEST_CYCLE", cycle.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child come to work, then kills it after a random while, and returns what it said.
fn run_and_kill(child: &mut Child) -> String {
    let mut pipe = child.stdout.take().unwrap();
    let (tx, rx) = std_mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            all.extend_from_slice(&buffer[..read]);
            let _ = tx.send(all.len());
        }
        all
    });
    let mut random = [0; 2];
    getrandom::fill(&mut random).unwrap();
    let instant = Duration::from_micros(u64::from(u16::from_le_bytes(random)) * 3);
    while rx.recv_timeout(Duration::from_secs(60)).unwrap() < 200 {}
    // Not to wait for something, but to be somewhere in the middle of it.
    thread::sleep(instant);
    child.kill().unwrap();
    child.wait().unwrap();
    String::from_utf8_lossy(&reader.join().unwrap()).into_owned()
}

#[test]
fn child_that_writes_until_killed() {
    let Some(path) = env::var_os("COVE_TEST_CRASH") else {
        return;
    };
    let cycle: u32 = env::var("COVE_TEST_CYCLE").unwrap().parse().unwrap();
    let room = Room::new();
    let store = Store::open(Path::new(&path), "boot-1").unwrap().store;
    println!();
    room.wait(async {
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), cycle, writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write(store: Store, cycle: u32, writer: u32) {
    for round in 0..50_000 {
        let number = (cycle * 50_000 + round) * WRITERS + writer;
        store.add_torrent(torrent(number)).await.unwrap();
        println!("added {number}");
        store.save_resume(resume(number, &"piece".repeat(2000))).await.unwrap();
        store.set_setting(&writer.to_string(), Some(&number.to_string())).await.unwrap();
        println!("set {writer} {number}");
        store.add_counter(&writer.to_string(), 1).await.unwrap();
        println!("counted {writer}");
        if round % 2 == 0 {
            println!("going {number}");
            store.begin_removal(id(number), true).await.unwrap();
            println!("begun {number}");
            store.finish_removal(id(number)).await.unwrap();
            println!("gone {number}");
        }
    }
}
