//! Whether the surroundings are as they should be: directories, space, clock, ports, the way in
//! from outside, limits, the store. Each finding says what is, and what mends it.
//!
//! A running server looks at itself; without one the command line looks at what it can see alone.
//! Nothing is changed by looking.

mod clock;
mod outside;
mod places;
mod ports;
mod system;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Mutex;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::Engine;
use crate::service::fetch::Fetch;
use crate::service::settings::Settings;
use crate::service::torrents::Torrents;
use crate::store::AtRest;
use crate::store::Integrity;
use crate::store::Store;
use crate::tracker::Tracker;

/// How long findings are good for: looking reads the whole store and asks others for the time.
const FRESH: Duration = Duration::from_secs(5);

/// How well something is; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It cannot be told from here.
    Unknown,
    /// It works, and will not always.
    Warning,
    /// Something does not work.
    Fault,
}

impl Verdict {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What one look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at; several findings may have one name.
    pub name: &'static str,
    /// How well it is.
    pub verdict: Verdict,
    /// What is, in a sentence.
    pub sentence: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Finding {
    fn new(name: &'static str, verdict: Verdict, sentence: impl Into<String>) -> Self {
        Self { name, verdict, sentence: sentence.into(), mend: None }
    }

    fn fine(name: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(name, Verdict::Fine, sentence)
    }

    fn unknown(name: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(name, Verdict::Unknown, sentence)
    }

    fn warning(name: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warning, sentence)
    }

    fn fault(name: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(name, Verdict::Fault, sentence)
    }

    fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

/// The worst of all findings.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fine)
}

/// What is configured, as far as it is looked at.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program's own state.
    pub state_dir: PathBuf,
    /// The database in it.
    pub database: PathBuf,
    /// Where torrents may write.
    pub roots: Vec<PathBuf>,
    /// The one of them that the first start makes.
    pub download_dir: PathBuf,
    /// Where the API listens.
    pub api: Vec<SocketAddr>,
    /// Where announces are taken over HTTP.
    pub tracker_http: Vec<SocketAddr>,
    /// Where announces are taken over UDP.
    pub tracker_udp: Vec<SocketAddr>,
    /// Where peers reach us.
    pub peers: Vec<SocketAddr>,
    /// Whether routers are asked for a port.
    pub asks_routers: bool,
    /// Descriptors that may be in use when every limit is reached.
    pub descriptors: u64,
}

/// Looks at a running server; a cheap handle.
#[derive(Clone)]
pub struct Doctor {
    inner: Arc<Inner>,
}

struct Inner {
    plan: Plan,
    engine: Engine,
    tracker: Tracker,
    store: Store,
    torrents: Torrents,
    settings: Settings,
    fetch: Fetch,
    last: Mutex<Option<(Instant, Arc<[Finding]>)>>,
}

impl Doctor {
    /// Over what runs; `plan` names the addresses that are bound.
    pub fn new(
        plan: Plan,
        (engine, tracker, store): (Engine, Tracker, Store),
        (torrents, settings, fetch): (Torrents, Settings, Fetch),
    ) -> Self {
        let last = Mutex::default();
        let inner = Inner { plan, engine, tracker, store, torrents, settings, fetch, last };
        Self { inner: Arc::new(inner) }
    }

    /// Looks at everything. Those who ask at once share one look.
    ///
    /// # Errors
    /// Internal, never expected: what goes wrong is a finding.
    pub async fn look(&self) -> Result<Arc<[Finding]>> {
        let mut last = self.inner.last.lock().await;
        if let Some((_, findings)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(findings));
        }
        let findings: Arc<[Finding]> = self.inner.look().await?.into();
        *last = Some((Instant::now(), Arc::clone(&findings)));
        Ok(findings)
    }
}

impl Inner {
    async fn look(&self) -> Result<Vec<Finding>> {
        let plan = self.plan.clone();
        let here = tokio::task::spawn_blocking(move || {
            let mut findings = places::all(&plan);
            findings.extend(ports::bound(&plan));
            findings
        });
        let mut findings =
            here.await.map_err(|_| Error::internal("looking at directories panicked"))?;
        findings.push(ports::of_peers(&self.engine));
        let incoming = outside::incoming(&self.engine, &self.torrents).await;
        findings.push(outside::peers(&self.plan, &self.engine.outside(), incoming));
        findings.push(self.tracker_from_outside().await?);
        findings.push(outside::address(self.tracker.external()));
        findings.push(clock::compared(&self.torrents, &self.settings, &self.fetch).await);
        findings.extend(system::limits(&self.plan));
        findings.push(system::libtorrent(&Engine::libtorrent_version()));
        findings.push(match self.store.integrity().await {
            Ok(integrity) => of_store(&integrity),
            Err(error) => store_fault(error.message()),
        });
        Ok(findings)
    }

    async fn tracker_from_outside(&self) -> Result<Finding> {
        let seen = outside::announced_from_outside(&self.tracker, &self.torrents);
        let (plan, external) = (self.plan.clone(), self.tracker.external());
        let look = move || outside::tracker(&plan, external, seen);
        let looked = tokio::task::spawn_blocking(look).await;
        looked.map_err(|_| Error::internal("asking our own tracker panicked"))
    }
}

/// Looks at what can be seen while no server runs. Makes and changes nothing. Blocks.
pub fn look_alone(plan: &Plan) -> Vec<Finding> {
    let mut findings = places::all(plan);
    findings.extend(ports::free(plan));
    findings.push(outside::nobody_there());
    findings.push(clock::alone());
    findings.extend(system::limits(plan));
    findings.push(system::libtorrent(&Engine::libtorrent_version()));
    findings.push(match Store::integrity_at_rest(&plan.database) {
        AtRest::Absent => Finding::fine("store", "there is none yet; the first start makes it"),
        AtRest::Seen(integrity) => of_store(&integrity),
        AtRest::Unfinished => Finding::unknown(
            "store",
            "the last server did not stop in order; the next start reads the store with its log, \
             and looks at every page if the machine was started anew since",
        ),
        AtRest::Unreadable(why) => store_fault(&why),
    });
    findings
}

fn of_store(integrity: &Integrity) -> Finding {
    if let Some(damage) = &integrity.damage {
        return store_fault(damage);
    }
    if integrity.records_aside > 0 {
        let count = integrity.records_aside;
        let sentence = format!("whole, but {count} torrents had damaged records, kept aside");
        return Finding::warning("store", sentence)
            .mend("add these torrents again; `cove ls` shows them in error");
    }
    Finding::fine("store", format!("whole, {}", size(integrity.size_bytes)))
}

fn store_fault(why: &str) -> Finding {
    Finding::fault("store", format!("cannot be read as it should: {why}")).mend(
        "stop the server, keep a copy of the state directory, and look at the disk (dmesg, SMART)",
    )
}

/// Bytes in binary units.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(4);
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let finding = |verdict| Finding::new("x", verdict, "");
        let all = [Verdict::Fine, Verdict::Warning, Verdict::Unknown].map(finding);
        assert_eq!(
            (worst(&all), worst(&all[..1]), worst(&[])),
            (Verdict::Warning, Verdict::Fine, Verdict::Fine)
        );
    }

    #[test]
    fn the_store_is_judged_by_its_pages_and_its_records() {
        let whole = Integrity { damage: None, records_aside: 0, size_bytes: 3 << 20 };
        assert_eq!(of_store(&whole).sentence, "whole, 3.0 MiB");
        let aside = Integrity { records_aside: 2, ..whole.clone() };
        assert_eq!(of_store(&aside).verdict, Verdict::Warning);
        let broken = Integrity { damage: Some("page 7".into()), ..whole };
        assert_eq!(of_store(&broken).verdict, Verdict::Fault);
        assert!(of_store(&broken).sentence.contains("page 7"));
    }
}
