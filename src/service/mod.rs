//! What the program can do, in its own words; every API is a thin dialect over this.
//!
//! Nothing here knows HTTP or an API's JSON.

pub mod access;
pub mod accounts;
pub mod adding;
pub mod attempts;
pub mod auth;
pub mod authoring;
pub mod browse;
pub mod bulk;
pub mod completing;
pub mod doctor;
pub mod events;
pub mod fetch;
pub(crate) mod fetch_guard;
pub mod files;
pub mod filter;
pub mod folder;
pub mod friends;
pub mod gather;
pub mod health;
pub mod history;
pub mod inspect;
pub mod keeper;
pub mod kept_sessions;
pub mod kv;
pub mod labels;
pub(crate) mod ledger;
pub mod lifecycle;
pub mod loading;
pub mod members;
pub mod membership;
pub mod mending;
pub mod metadata_only;
pub(crate) mod metainfo;
pub mod migrating;
pub(crate) mod moving;
pub mod parts;
pub mod paths;
pub(crate) mod presence;
pub mod presets;
pub mod properties;
pub mod qr;
pub mod reach;
pub mod republish;
pub(crate) mod sealed_file;
pub(crate) mod secret;
pub mod seeding;
pub mod sessions;
pub mod settings;
pub mod share_jobs;
pub mod share_watch;
pub mod shares;
pub mod stats;
pub mod stream_plan;
pub mod swarm_view;
pub mod swarms;
pub mod token_file;
pub mod token_table;
pub mod tokens;
pub mod torrents;
pub mod upkeep;
pub mod users;
pub mod watching;

use crate::service::access::Access;
use crate::service::accounts::Accounts;
use crate::service::auth::Auth;
use crate::service::authoring::Authoring;
use crate::service::browse::Browse;
use crate::service::doctor::Doctor;
use crate::service::events::Events;
use crate::service::fetch::Fetch;
use crate::service::files::Files;
use crate::service::friends::Friends;
use crate::service::health::Health;
use crate::service::kv::Kv;
use crate::service::labels::Labels;
use crate::service::lifecycle::Lifecycle;
use crate::service::presets::Presets;
use crate::service::sessions::Sessions;
use crate::service::settings::Settings;
use crate::service::share_jobs::ShareJobs;
use crate::service::shares::Shares;
use crate::service::stats::Stats;
use crate::service::swarms::Swarms;
use crate::service::tokens::Tokens;
use crate::service::torrents::Torrents;
use crate::service::users::Users;

/// One handle a noun; each is cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Adding, removing, stopping, listing.
    pub torrents: Torrents,
    /// Reading files while they download.
    pub files: Files,
    /// Getting torrents from URIs.
    pub fetch: Fetch,
    /// Looking below the download roots.
    pub browse: Browse,
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
    /// Whether the surroundings are as they should be.
    pub doctor: Doctor,
    /// Values that API clients keep here.
    pub kv: Kv,
    /// What users write on torrents.
    pub labels: Labels,
    /// What new torrents get when nobody says otherwise.
    pub presets: Presets,
    /// The engine's sessions by name.
    pub sessions: Sessions,
    /// Who may.
    pub auth: Auth,
    /// Making torrents.
    pub authoring: Authoring,
    /// The user's own files as swarms.
    pub shares: Shares,
    /// Shares in the making.
    pub share_jobs: ShareJobs,
    /// Keys with names, and their invites.
    pub friends: Friends,
    /// What friends claim, and what was seen of it.
    pub accounts: Accounts,
    /// The tokens that let in.
    pub tokens: Tokens,
    /// Those who log in with a password.
    pub users: Users,
    /// Ending the program.
    pub lifecycle: Lifecycle,
}
