//! What the program can do, in its own words; every API is a thin dialect over this.
//!
//! Nothing here knows HTTP or an API's JSON.

pub mod adding;
pub mod auth;
pub mod fetch;
pub(crate) mod fetch_guard;
pub mod files;
pub mod keeper;
pub mod loading;
pub mod mending;
pub mod paths;
pub(crate) mod presence;
pub mod stream_plan;
pub mod token_file;
pub mod torrents;
pub mod watching;

use crate::service::auth::Auth;
use crate::service::fetch::Fetch;
use crate::service::files::Files;
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
    /// Who may.
    pub auth: Auth,
}
