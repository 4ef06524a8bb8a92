//! Sections `tracker` and `metrics` of the configuration; the doc comment of a field is the manual of its key.

use std::net::IpAddr;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;

use crate::app::config::TlsConfig;
use crate::app::config::addresses;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::network::Network;

/// The port of trackers, as users know it.
const PORT: u16 = 6969;

/// Section `tracker`: our own tracker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerConfig {
    /// Which swarms are served, and to whom: `public` (all, to everybody), `listed` (the default:
    /// our own and those on the whitelist, to everybody), `private` (all, to those with a key) or
    /// `private_listed` (our own and those on the whitelist, to those with a key).
    pub mode: Mode,
    /// Seconds between two announces of a peer, 60 to 86,400. Default 1,800. What peers are told
    /// is up to a tenth longer, so that they do not all come at one time.
    pub interval_s: u32,
    /// Addresses under which the world reaches this household: at most one of each family. Told
    /// to peers outside in place of private ones. Default: none; learned from the client.
    pub external_ip: Vec<IpAddr>,
    /// Names under which this tracker is reached, such as `nas.example`: announce URLs with them
    /// are known to be ours. Default: none; addresses of this host are known in any case.
    pub names: Vec<String>,
    /// Whether our own client is a member of our own swarms without announcing, and hears of new
    /// peers at once. Default true.
    pub own_client: bool,
    /// Announces over UDP.
    pub udp: TrackerUdpConfig,
    /// Addresses and networks, such as `192.0.2.0/24`, of reverse proxies before the tracker.
    /// Only their `X-Forwarded-For` is believed (rule W12), and of them it is demanded.
    /// Default: none.
    #[serde(deserialize_with = "networks", serialize_with = "as_texts")]
    pub proxies: Vec<Network>,
    /// Announces over HTTP.
    pub http: TrackerHttpConfig,
    /// In which shape `/api/torrent/HASH` lists peers: `pairs`, as Torrust's document of 2021 has
    /// them, or `objects`, as its versions 2.1 to 2.3 sent them. Default `pairs`.
    pub torrust_peers: TorrustPeers,
    /// How much the tracker remembers.
    pub limits: TrackerLimits,
}

/// The answer to `tracker.torrust_peers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TorrustPeers {
    /// Pairs of identity and state.
    #[default]
    Pairs,
    /// Objects.
    Objects,
}

/// The answer to `tracker.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every swarm to everybody.
    Public,
    /// Our own swarms and the whitelist, to everybody.
    #[default]
    Listed,
    /// Every swarm, to those with a key.
    Private,
    /// Our own swarms and the whitelist, to those with a key.
    PrivateListed,
}

/// Section `tracker.udp`: announces over UDP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerUdpConfig {
    /// Addresses with ports to take announces on; port 0 takes a free one. Default
    /// `0.0.0.0:6969` and `[::]:6969`; an empty list listens nowhere.
    #[serde(deserialize_with = "addresses")]
    pub bind: Vec<SocketAddr>,
    /// Threads for each address, 1 to 64. Default 1: enough for 200,000 announces a second.
    pub workers: u32,
}

/// Section `tracker.http`: announces over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerHttpConfig {
    /// Addresses with ports to take announces on, apart from the API's; port 0 takes a free one.
    /// Default `0.0.0.0:6969` and `[::]:6969`; an empty list listens nowhere.
    #[serde(deserialize_with = "addresses")]
    pub bind: Vec<SocketAddr>,
    /// Connections in all. Default 4,096.
    pub max_connections: u32,
    /// Connections from one address, or one /64 network of IPv6. Default 64.
    pub max_connections_per_address: u32,
    /// With a certificate these addresses speak TLS only.
    pub tls: TlsConfig,
}

/// Section `tracker.limits`: how much the tracker remembers; 0 means no limit. At a limit what is
/// known stays and is served, and what is new is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerLimits {
    /// Swarms in all. Default 500,000: about 150 MiB when each has one peer.
    pub swarms: u32,
    /// Peers in all. Default 2,000,000: about 180 MiB.
    pub peers: u32,
    /// Peers of one swarm. Default 200,000.
    pub peers_per_swarm: u32,
    /// Swarms that one address (IPv6: one /64) may make, this host excepted. Default 20,000.
    pub swarms_per_address: u32,
    /// Peers of one address (IPv6: one /64) in one swarm, this host excepted. Default 64.
    pub peers_per_address: u32,
}

/// Section `metrics`: figures for Prometheus at `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsConfig {
    /// Whether `/metrics` answers without a token. Default false: a token with the scope `read`
    /// is needed. Names of torrents are told only with a token.
    pub open: bool,
}

impl TrackerConfig {
    /// What must hold beyond the types.
    pub(crate) fn check(&self) -> Result<()> {
        self.http.tls.files("tracker.http.tls")?;
        let limits = [
            ("http.max_connections", self.http.max_connections),
            ("http.max_connections_per_address", self.http.max_connections_per_address),
            ("udp.workers", self.udp.workers),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, value)| *value == 0) {
            return Err(Error::invalid(format!("`tracker.{name}` is 0: give at least 1")));
        }
        if self.udp.workers > 64 {
            return Err(Error::invalid("`tracker.udp.workers` is past 64"));
        }
        if !(60..=86_400).contains(&self.interval_s) {
            let message = "`tracker.interval_s` is not between 60 and 86400";
            return Err(Error::invalid(message));
        }
        for is_v4 in [true, false] {
            let count = self.external_ip.iter().filter(|ip| ip.is_ipv4() == is_v4).count();
            if count > 1 {
                let message = "`tracker.external_ip` has two addresses of one family";
                return Err(Error::invalid(message));
            }
        }
        Ok(())
    }
}

fn everywhere() -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0, 0, 0, 0], PORT)), SocketAddr::from(([0u16; 8], PORT))]
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            interval_s: 1800,
            external_ip: Vec::new(),
            names: Vec::new(),
            own_client: true,
            proxies: Vec::new(),
            udp: TrackerUdpConfig::default(),
            http: TrackerHttpConfig::default(),
            torrust_peers: TorrustPeers::default(),
            limits: TrackerLimits::default(),
        }
    }
}

impl Default for TrackerUdpConfig {
    fn default() -> Self {
        Self { bind: everywhere(), workers: 1 }
    }
}

impl Default for TrackerHttpConfig {
    fn default() -> Self {
        Self {
            bind: everywhere(),
            max_connections: 4096,
            max_connections_per_address: 64,
            tls: TlsConfig::default(),
        }
    }
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self {
            swarms: 500_000,
            peers: 2_000_000,
            peers_per_swarm: 200_000,
            swarms_per_address: 20_000,
            peers_per_address: 64,
        }
    }
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

fn as_texts<S: Serializer>(networks: &[Network], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_seq(networks.iter().map(ToString::to_string))
}
