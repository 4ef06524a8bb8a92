//! Cove: a BitTorrent client and tracker in one process.
//!
//! The modules are floors of a house, lowest first; a floor uses the floors below it, never one
//! above and never a neighbour (`docs/ARCHITECTURE.md`, kept true by `tests/house.rs`).
//!
//! | floor | modules | what it knows |
//! |---|---|---|
//! | 0 | [`domain`] | plain values; no I/O, no clock |
//! | 1 | [`engine`], [`store`], [`tracker`] | libtorrent; SQLite; swarms |
//! | 2 | [`service`] | what the program can do, in its own words |
//! | 3 | [`http`] | warp: a call in, a reply out |
//! | 4 | [`dialects`] | each API's words for the services |
//! | 5 | [`app`] | configuration, command line, start and stop |

pub mod app;
pub mod dialects;
pub mod domain;
pub mod engine;
pub mod http;
pub mod service;
pub mod store;
pub mod tracker;
