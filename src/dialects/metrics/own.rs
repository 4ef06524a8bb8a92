//! Process, client and tracker under our own names.
//!
//! The library writes OpenMetrics; scrapers of the older text format want the suffix `_total` of
//! a counter in its TYPE line too, so [`classic`] puts it there.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeCounterValue;
use prometheus_client::encoding::EncodeGaugeValue;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::domain::stats::TrackerStats;
use crate::domain::stats::Transport;
use crate::domain::swarm::Refusal;
use crate::domain::swarm::SwarmTotals;
use crate::service::stats::ClientStats;
use crate::service::stats::ProcessStats;
use crate::service::stats::Stats;

/// Everything at one moment.
#[derive(Debug)]
struct Figures {
    libtorrent_version: String,
    process: ProcessStats,
    client: ClientStats,
    swarms: SwarmTotals,
    tracker: TrackerStats,
}

/// The figures of now as text.
pub(super) fn text(stats: &Stats) -> String {
    let figures = Figures {
        libtorrent_version: stats.libtorrent_version(),
        process: stats.process(),
        client: stats.client(),
        swarms: stats.swarms(),
        tracker: stats.tracker(),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    // Writing to memory cannot fail.
    let _ = encode_registry(&mut text, &registry);
    classic(&text)
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        out.gauge(
            "cove_build_info",
            "What this program is; always 1",
            [([("libtorrent", self.libtorrent_version.as_str())], 1_u64)],
        )?;
        self.process(&mut out)?;
        self.client(&mut out)?;
        self.tracker(&mut out)
    }
}

impl Figures {
    /// Under the names that Prometheus' own libraries give them.
    fn process(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let process = &self.process;
        let started_at = process.started_at;
        out.counter("process_cpu_seconds", "Time on processors", one(process.cpu.as_secs_f64()))?;
        out.gauge("process_start_time_seconds", "When it started, Unix time", one(started_at))?;
        let known = [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_virtual_memory_bytes", "Address space", process.virtual_bytes),
            ("process_threads", "Threads", process.threads),
            ("process_open_fds", "Open descriptors", process.descriptors),
            ("process_max_fds", "Descriptors that may be open", process.descriptors_max),
        ];
        for (name, help, value) in known {
            if let Some(value) = value {
                out.gauge(name, help, one(value))?;
            }
        }
        Ok(())
    }

    fn client(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let client = &self.client;
        let states = [
            ("checking", client.checking),
            ("downloading", client.downloading),
            ("failed", client.failed),
            ("seeding", client.seeding),
            ("stopped", client.stopped),
        ];
        out.gauge(
            "cove_torrents",
            "Our torrents by what they do",
            states.map(|(state, count)| ([("state", state)], count)),
        )?;
        let rates = [("in", client.download_rate), ("out", client.upload_rate)];
        out.gauge(
            "cove_payload_bytes_per_second",
            "Payload of all torrents",
            rates.map(|(way, rate)| ([("direction", way)], rate)),
        )?;
        let connected = one(client.connected_peers);
        out.gauge("cove_connected_peers", "Connections to peers", connected)
    }

    fn tracker(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let (swarms, stats) = (&self.swarms, &self.tracker);
        out.gauge("cove_tracker_swarms", "Swarms that there is something of", one(swarms.swarms))?;
        let peers = [("seeder", swarms.seeders), ("leecher", swarms.leechers)];
        out.gauge(
            "cove_tracker_peers",
            "Peers of all swarms",
            peers.map(|(kind, count)| ([("kind", kind)], count)),
        )?;
        let completed = one(swarms.completed);
        out.counter("cove_tracker_completed", "Completed downloads of all swarms", completed)?;
        let by_transport = |figure: fn(&TrackerStats, Transport) -> u64| {
            Transport::ALL
                .map(|transport| ([("transport", transport.name())], figure(stats, transport)))
        };
        out.counter(
            "cove_tracker_connections",
            "UDP: connect requests; HTTP: announces and scrapes",
            by_transport(|stats, transport| stats.transports[transport.index()].connections),
        )?;
        out.counter(
            "cove_tracker_announces",
            "Accepted announces",
            by_transport(|stats, transport| stats.transports[transport.index()].announces),
        )?;
        out.counter(
            "cove_tracker_scrapes",
            "Answered scrapes",
            by_transport(|stats, transport| stats.transports[transport.index()].scrapes),
        )?;
        let refused = Refusal::ALL.into_iter().zip(stats.refusals);
        out.counter(
            "cove_tracker_refused",
            "Refused announces",
            refused.map(|(refusal, count)| ([("reason", refusal.name())], count)),
        )?;
        out.counter("cove_tracker_malformed", "What was no request", one(stats.malformed))?;
        let wrong = one(stats.wrong_ids);
        out.counter("cove_tracker_wrong_connection_ids", "Ids that were wrong or too old", wrong)?;
        let received = one(stats.received_bytes);
        out.counter("cove_tracker_received_bytes", "Bytes of requests", received)?;
        out.counter("cove_tracker_sent_bytes", "Bytes of answers", one(stats.sent_bytes))
    }
}

/// A metric without labels.
fn one<V>(value: V) -> [([(&'static str, &'static str); 0], V); 1] {
    [([], value)]
}

/// Writes metrics, each with its rows of labels and values.
struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn counter<'l, const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// OpenMetrics in the text format before it: the lines about a counter name it as its samples do.
fn classic(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for at in 0..lines.len() {
        let name = lines[at].strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter"));
        let Some(name) = name.map(str::to_owned) else { continue };
        lines[at] = format!("# TYPE {name}_total counter");
        let help = format!("# HELP {name} ");
        if let Some(before) = at.checked_sub(1)
            && let Some(words) = lines[before].strip_prefix(&help)
        {
            lines[before] = format!("# HELP {name}_total {words}");
        }
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_samples_are() {
        let open = "# HELP a Help.\n# TYPE a counter\na_total{b=\"c\"} 1\n# HELP d Help.\n\
                    # TYPE d gauge\nd 2\n";
        let text = classic(open);
        assert!(text.starts_with("# HELP a_total Help.\n# TYPE a_total counter\na_total{"));
        assert!(text.ends_with("# HELP d Help.\n# TYPE d gauge\nd 2\n"), "{text}");
    }
}
