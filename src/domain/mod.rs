//! Plain values that every floor shares: hashes, torrents, peers, events, errors.
//!
//! Nothing here does I/O, reads the clock or knows an API's JSON.

pub mod access;
pub mod account;
pub mod bitfield;
pub mod client_name;
pub mod error;
pub mod event;
pub mod hash;
pub mod labels;
pub mod metadata;
pub mod network;
pub mod peer;
pub mod ratio;
pub mod remote_tracker;
pub mod setting;
pub mod share;
pub mod stats;
pub mod swarm;
pub mod token;
pub mod torrent;
pub mod torrent_figures;
pub mod torrent_flags;
pub mod tracker_report;
