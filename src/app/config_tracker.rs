//! Section `tracker` of the configuration; the doc comment of a field is the manual of its key.

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

/// Section `tracker`: our own tracker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackerConfig {
    /// Addresses and networks, such as `192.0.2.0/24`, of reverse proxies before the tracker.
    /// Only their `X-Forwarded-For` is believed (rule W12), and of them it is demanded.
    /// Default: none.
    #[serde(deserialize_with = "networks", serialize_with = "as_texts")]
    pub proxies: Vec<Network>,
    /// Announces over HTTP.
    pub http: TrackerHttpConfig,
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

impl TrackerConfig {
    /// What must hold beyond the types.
    pub(crate) fn check(&self) -> Result<()> {
        self.http.tls.files("tracker.http.tls")?;
        let limits = [
            ("max_connections", self.http.max_connections),
            ("max_connections_per_address", self.http.max_connections_per_address),
        ];
        match limits.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => {
                Err(Error::invalid(format!("`tracker.http.{name}` is 0: give at least 1")))
            }
            None => Ok(()),
        }
    }
}

impl Default for TrackerHttpConfig {
    fn default() -> Self {
        const PORT: u16 = 6969;
        Self {
            bind: vec![SocketAddr::from(([0, 0, 0, 0], PORT)), SocketAddr::from(([0u16; 8], PORT))],
            max_connections: 4096,
            max_connections_per_address: 64,
            tls: TlsConfig::default(),
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
