//! What the doctor looks at, from the configuration.

use std::net::SocketAddr;

use crate::app::config::Config;
use crate::app::state_dir;
use crate::app::state_dir::Addresses;
use crate::service::doctor::Plan;

/// Descriptors beside those of connections: files of payload, the store, the API's reserve.
const OTHER_DESCRIPTORS: u64 = 512;

/// As it is configured.
pub(crate) fn plan(config: &Config) -> Plan {
    let connections = u64::from(config.client.limits.connections)
        + u64::from(config.api.limits.max_connections)
        + u64::from(config.tracker.http.max_connections);
    Plan {
        state_dir: config.state_dir.clone(),
        database: state_dir::database_path(&config.state_dir),
        roots: config.client.roots.clone(),
        download_dir: config.client.download_dir.clone(),
        api: config.api.bind.clone(),
        tracker_http: config.tracker.http.bind.clone(),
        tracker_udp: config.tracker.udp.bind.clone(),
        peers: config.client.listen.clone(),
        asks_routers: config.client.upnp || config.client.natpmp,
        descriptors: connections + OTHER_DESCRIPTORS,
    }
}

/// The same for a server that listens: on free ports in place of 0.
pub(crate) fn running(config: &Config, api: Vec<SocketAddr>, addresses: &Addresses) -> Plan {
    Plan {
        api,
        tracker_http: addresses.tracker_http.clone(),
        tracker_udp: addresses.tracker_udp.clone(),
        ..plan(config)
    }
}
