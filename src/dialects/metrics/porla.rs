//! libtorrent's statistics, and every torrent, under the names that Porla gave them (section 8).
//!
//! Written by hand: these counters have no `_total`, and each sample has a time. Unlike the
//! original each metric has one TYPE line, names are escaped, and torrents that are gone are gone;
//! `info_hash` tells torrents of one name apart.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::domain::stats::EngineStats;
use crate::domain::torrent::Torrent;

/// A field of a torrent: its name and where it is.
type Field = (&'static str, fn(&Torrent) -> i64);

/// Every field, in Porla's order. Those that the libraries count in shares are in millionths.
const FIELDS: [Field; 40] = [
    ("total_download", |torrent| signed(torrent.status.session_download_bytes)),
    ("total_upload", |torrent| signed(torrent.status.session_upload_bytes)),
    ("total_payload_download", |torrent| torrent.status.figures.payload_download),
    ("total_payload_upload", |torrent| torrent.status.figures.payload_upload),
    ("total_failed_bytes", |torrent| torrent.status.figures.failed_bytes),
    ("total_redundant_bytes", |torrent| torrent.status.figures.redundant_bytes),
    ("total_done", |torrent| signed(torrent.status.done_bytes)),
    ("total", |torrent| torrent.status.figures.total_bytes),
    ("all_time_upload", |torrent| signed(torrent.status.all_time_upload_bytes)),
    ("all_time_download", |torrent| signed(torrent.status.all_time_download_bytes)),
    ("added_time", |torrent| torrent.status.added_at),
    ("completed_time", |torrent| torrent.status.completed_at),
    ("progress_ppm", |torrent| torrent.status.figures.progress_ppm.into()),
    ("queue_position", |torrent| torrent.status.queue_position.into()),
    ("download_rate", |torrent| torrent.status.figures.download_rate.into()),
    ("upload_rate", |torrent| torrent.status.figures.upload_rate.into()),
    ("download_payload_rate", |torrent| torrent.status.download_rate.into()),
    ("upload_payload_rate", |torrent| torrent.status.upload_rate.into()),
    ("num_seeds", |torrent| torrent.status.connected_seeds.into()),
    ("num_peers", |torrent| torrent.status.connected_peers.into()),
    ("num_complete", |torrent| torrent.status.scrape_seeds.into()),
    ("num_incomplete", |torrent| torrent.status.scrape_leeches.into()),
    ("list_seeds", |torrent| torrent.status.known_seeds.into()),
    ("list_peers", |torrent| torrent.status.known_peers.into()),
    ("connect_candidates", |torrent| torrent.status.figures.connect_candidates.into()),
    ("num_pieces", |torrent| torrent.status.figures.piece_count.into()),
    ("distributed_full_copies", |torrent| torrent.status.figures.full_copies.into()),
    ("distributed_fraction", |torrent| torrent.status.figures.copies_fraction.into()),
    ("block_size", |torrent| torrent.status.figures.block_size.into()),
    ("num_uploads", |torrent| torrent.status.figures.uploads.into()),
    ("num_connections", |torrent| torrent.status.figures.connections.into()),
    ("uploads_limit", |torrent| torrent.status.figures.uploads_limit.into()),
    ("connections_limit", |torrent| torrent.status.figures.connections_limit.into()),
    ("up_bandwidth_queue", |torrent| torrent.status.figures.upload_queue.into()),
    ("down_bandwidth_queue", |torrent| torrent.status.figures.download_queue.into()),
    ("seed_rank", |torrent| torrent.status.figures.seed_rank.into()),
    ("state", |torrent| torrent.status.figures.state.into()),
    ("active_duration", |torrent| signed(torrent.status.active_s)),
    ("finished_duration", |torrent| torrent.status.figures.finished_s),
    ("seeding_duration", |torrent| signed(torrent.status.seeding_s)),
];

/// Appends the statistics of every session.
pub(super) fn sessions(out: &mut String, stats: &EngineStats) {
    for (place, name) in stats.names.iter().enumerate() {
        let kind = if name.is_counter { "counter" } else { "gauge" };
        let metric = name.name.replace('.', "_");
        let _ = writeln!(out, "# TYPE libtorrent_{metric} {kind}");
        for session in &stats.sessions {
            let value = session.values.get(place).copied().unwrap_or(0);
            let _ = write!(out, "libtorrent_{metric}{{session=\"");
            escape(out, &session.session);
            let _ = writeln!(out, "\"}} {value} {}", session.at_ms);
        }
    }
}

/// Appends the figures of every torrent.
pub(super) fn torrents(out: &mut String, torrents: &[Arc<Torrent>]) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = since.as_millis();
    let labels: Vec<String> = torrents.iter().map(|torrent| labels(torrent)).collect();
    for (field, value) in FIELDS {
        let _ = writeln!(out, "# TYPE porla_torrent_status_{field} gauge");
        for (torrent, labels) in torrents.iter().zip(&labels) {
            let value = value(torrent);
            let _ = writeln!(out, "porla_torrent_status_{field}{labels} {value} {now_ms}");
        }
    }
}

fn labels(torrent: &Torrent) -> String {
    let mut labels = String::from("{session=\"");
    escape(&mut labels, &torrent.session);
    labels.push_str("\", name=\"");
    escape(&mut labels, &torrent.name);
    let _ = write!(labels, "\", info_hash=\"{}\"}}", torrent.id);
    labels
}

/// The three characters that the format escapes in values of labels.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stats::SessionStats;
    use crate::domain::stats::StatName;

    /// Porla section 8: value, then time.
    #[test]
    fn a_statistic_has_its_session_and_time() {
        let name = |name: &str, is_counter| StatName { name: name.to_owned(), is_counter };
        let stats = EngineStats {
            names: [name("net.recv_bytes", true), name("peer.num_peers", false)].into(),
            sessions: vec![SessionStats {
                session: "a\"b\\c\nd".into(),
                at_ms: 1_700_000_000_000,
                values: vec![123, 4],
            }],
        };
        let mut text = String::new();
        sessions(&mut text, &stats);
        assert_eq!(
            text,
            "# TYPE libtorrent_net_recv_bytes counter\n\
             libtorrent_net_recv_bytes{session=\"a\\\"b\\\\c\\nd\"} 123 1700000000000\n\
             # TYPE libtorrent_peer_num_peers gauge\n\
             libtorrent_peer_num_peers{session=\"a\\\"b\\\\c\\nd\"} 4 1700000000000\n"
        );
    }
}
