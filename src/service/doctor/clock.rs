//! The clock: keys end by it, and certificates are judged by it.
//!
//! It is compared with the `Date` of web servers that our torrents announce to anyhow, so that
//! nobody learns of us who does not know us already.

use std::fs;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use url::Url;

use crate::domain::remote_tracker::TrackerState;
use crate::service::doctor::Finding;
use crate::service::fetch::Fetch;
use crate::service::settings::Settings;
use crate::service::torrents::Torrents;

/// Servers that are asked at most.
const ASKED_MAX: usize = 3;
/// How far apart clocks may be, in seconds: nothing notices; certificates and keys do.
const APART_S: (i64, i64) = (60, 600);
/// What begins the names of settings that make us go by another way than our own.
const PROXY: &str = "client.settings.proxy_";
const MEND: &str = "set the clock and keep it right: timedatectl set-ntp true";

/// As far as this machine alone can tell.
pub(super) fn alone() -> Finding {
    implausible().unwrap_or_else(|| {
        let sentence = format!("says {}, which may be; it was not compared", shown(now_s()));
        Finding::unknown("clock", sentence)
    })
}

/// Compared with others, as far as there are some.
pub(super) async fn compared(torrents: &Torrents, settings: &Settings, fetch: &Fetch) -> Finding {
    if let Some(finding) = implausible() {
        return finding;
    }
    if settings.list().iter().any(|setting| setting.key.starts_with(PROXY)) {
        let sentence = "was not compared: a proxy is configured, and asking would go around it";
        return Finding::unknown("clock", sentence);
    }
    for url in servers(torrents) {
        if let Ok(their_s) = fetch.clock(&url).await {
            let host = url.host_str().unwrap_or_default();
            return judge(now_s(), their_s, host);
        }
    }
    alone()
}

fn judge(own_s: i64, their_s: i64, host: &str) -> Finding {
    let apart_s = own_s.saturating_sub(their_s);
    let direction = if apart_s > 0 { "ahead of" } else { "behind" };
    let sentence = format!("{} s {direction} {host}", apart_s.abs());
    match apart_s.abs() {
        apart if apart <= APART_S.0 => {
            Finding::fine("clock", format!("agrees with {host} within {} s", APART_S.0))
        }
        apart if apart <= APART_S.1 => Finding::warning("clock", sentence).mend(MEND),
        _ => Finding::fault("clock", sentence).mend(MEND),
    }
}

/// A clock that says it is before this program was made is wrong.
fn implausible() -> Option<Finding> {
    let program = std::env::current_exe().and_then(fs::metadata).and_then(|found| found.modified());
    let made_s = program.ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made_s = made_s.map_or(0, |made| made.as_secs().cast_signed());
    is_before(now_s(), made_s).then(|| {
        let (now, made) = (shown(now_s()), shown(made_s));
        let sentence = format!("says {now}, but this program was made on {made}");
        Finding::fault("clock", sentence).mend(MEND)
    })
}

fn is_before(now_s: i64, made_s: i64) -> bool {
    now_s.saturating_add(APART_S.1) < made_s
}

/// Web servers that our torrents announced to with success, each host once.
fn servers(torrents: &Torrents) -> Vec<Url> {
    let mut found: Vec<Url> = Vec::new();
    for torrent in torrents.list() {
        let working = torrent.trackers.iter().filter(|tracker| {
            matches!(tracker.state, TrackerState::Working | TrackerState::Warning(_))
        });
        for tracker in working {
            let Ok(url) = Url::parse(&tracker.url) else { continue };
            let is_web = matches!(url.scheme(), "http" | "https");
            let is_known = found.iter().any(|known| known.host_str() == url.host_str());
            // Not the path: it may hold a key (rule W11).
            if let Ok(top) = url.join("/")
                && is_web
                && !is_known
            {
                found.push(top);
            }
        }
        if found.len() >= ASKED_MAX {
            break;
        }
    }
    found.truncate(ASKED_MAX);
    found
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    now.as_secs().cast_signed()
}

/// A moment as people write it, in UTC.
fn shown(unix_s: i64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(unix_s.max(0).cast_unsigned());
    httpdate::fmt_http_date(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::doctor::Verdict;

    #[test]
    fn clocks_that_differ_are_told_by_how_much() {
        assert_eq!(judge(1000, 1060, "x").verdict, Verdict::Fine);
        assert_eq!(judge(1061, 1000, "x").sentence, "61 s ahead of x");
        assert_eq!(judge(1000, 1600, "x").verdict, Verdict::Warning);
        let behind = judge(1000, 1601, "x");
        assert_eq!((behind.verdict, &*behind.sentence), (Verdict::Fault, "601 s behind x"));
        assert!(is_before(0, 1000) && !is_before(1000, 1600));
        assert_eq!(shown(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
