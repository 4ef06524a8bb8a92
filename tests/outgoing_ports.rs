//! Where connections to trackers come from (docs/decisions/0012-ports-of-announces.md).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::app::Home;
use crate::common::netns::Network;
use crate::common::sharing::run_json;
use crate::common::wait_at_most;

/// Far more than there are ports.
const TRACKERS: u8 = 60;
const PORTS: &str = "40000 40015";
const TRACKER_PORT: u16 = 6969;
const TRACKER_PORT_HEX: &str = ":1B39";
/// Sooner than a closed connection lets go of its port, and than an announce is tried again.
const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn one_port_serves_a_connection_to_each_tracker() {
    let Some(network) = Network::new("one_port_serves_a_connection_to_each_tracker") else {
        return;
    };
    let range = format!("echo {PORTS} > /proc/sys/net/ipv4/ip_local_port_range");
    network.execute("house", &["sh", "-c", &range]);
    let addresses: Vec<String> =
        (1..=TRACKERS).map(|n| format!("127.0.1.{n}:{TRACKER_PORT}")).collect();
    let trackers = Home::new()
        .set("tracker.mode", "public")
        .set("tracker.http.bind", addresses.join(","))
        .launched_by(network.launcher("house"));
    let _trackers = trackers.start();
    let client = Home::new()
        .set("client.settings.announce_to_all_trackers", true)
        .set("client.settings.announce_to_all_tiers", true)
        .launched_by(network.launcher("house"));
    let _client = client.start();

    let asked: Vec<String> =
        addresses.iter().map(|address| format!("&tr=http://{address}/announce")).collect();
    let link = format!("magnet:?xt=urn:btih:{}{}", "5".repeat(40), asked.concat());
    run_json(&client, &["add", &link]);

    // Looked at from below, since asking a server takes a port each time.
    wait_at_most(WITHIN, "every tracker was connected to", || {
        let table = network.execute("house", &["cat", "/proc/net/tcp"]);
        (connected_trackers(&table) >= usize::from(TRACKERS)).then_some(())
    });
    wait_at_most(WITHIN, "every tracker was asked", || {
        let figures = run_json(&trackers, &["stats"]);
        let announces = figures["tracker"]["requests"]["tcp4"]["announces"].as_u64().unwrap();
        (announces >= u64::from(TRACKERS)).then_some(())
    });
}

/// To how many addresses with the trackers' port there was a connection in the last minute, by the
/// kernel's table (proc(5)): local and remote address in hexadecimal digits, and a state.
fn connected_trackers(table: &str) -> usize {
    const LISTENING: &str = "0A";
    const CONNECTING: &str = "02";
    let of_row = |row: &str| {
        let words: Vec<&str> = row.split_ascii_whitespace().collect();
        let [_, local, remote, state, ..] = words[..] else { return None };
        let is_connection = ![LISTENING, CONNECTING].contains(&state);
        let end = [local, remote].into_iter().find_map(|end| end.strip_suffix(TRACKER_PORT_HEX));
        end.filter(|_| is_connection).map(str::to_owned)
    };
    table.lines().filter_map(of_row).collect::<BTreeSet<String>>().len()
}
