//! What the program can do, in its own words; every API is a thin dialect over this.
//!
//! Nothing here knows HTTP or an API's JSON.

pub mod access;
pub mod adding;
pub mod auth;
pub mod events;
pub mod fetch;
pub(crate) mod fetch_guard;
pub mod files;
pub mod health;
pub mod history;
pub mod keeper;
pub mod loading;
pub mod membership;
pub mod mending;
pub mod paths;
pub(crate) mod presence;
pub mod settings;
pub mod stats;
pub mod stream_plan;
pub mod swarms;
pub mod token_file;
pub mod torrents;
pub mod upkeep;
pub mod watching;

use crate::service::access::Access;
use crate::service::auth::Auth;
use crate::service::events::Events;
use crate::service::fetch::Fetch;
use crate::service::files::Files;
use crate::service::health::Health;
use crate::service::settings::Settings;
use crate::service::stats::Stats;
use crate::service::swarms::Swarms;
use crate::service::torrents::Torrents;

/// One handle a noun; each is cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Adding, removing, stopping, listing.
    pub torrents: Torrents,
    /// Reading files while they download.
    pub files: Files,
    /// Getting torrents from URIs.
    pub fetch: Fetch,
    /// Our own tracker's swarms.
    pub swarms: Swarms,
    /// Who may use our own tracker.
    pub access: Access,
    /// What changes, told to whoever listens.
    pub events: Events,
    /// Figures of the whole program.
    pub stats: Stats,
    /// The configuration, and changes of it.
    pub settings: Settings,
    /// Whether the program does its work.
    pub health: Health,
    /// Who may.
    pub auth: Auth,
}
