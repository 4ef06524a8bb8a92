//! Everything a user can see, tried on the real program: one file for each capability.
//!
//! `common` starts the program in fresh directories on ports the system chooses, and the foreign
//! programs it must get along with. What a machine lacks is skipped by name, on standard error;
//! `TEST_REQUIRE=1`, as `make test` sets it, turns a lacking tool into a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod common;

mod auth;
mod bad_input;
mod cli;
mod completing;
mod crash;
mod disk_full;
mod doctor;
mod events;
mod foreign;
mod hostile;
mod hostile_magnets;
mod hostile_paths;
mod house;
mod https_trackers;
mod keep;
mod listeners;
mod lost_files;
mod metadata_only;
mod moving;
mod native;
mod outgoing_ports;
mod porla;
mod power;
mod refusals;
mod removing;
mod restart;
mod seals;
mod seeding;
mod sessions;
mod settings;
mod share;
mod share_accounts;
mod share_clients;
mod share_household;
mod share_streams;
mod share_wire;
mod stats;
mod streaming;
mod tls;
mod torrust;
mod torrust_clients;
mod tracker_crash;
mod tracker_household;
mod tracker_http;
mod tracker_member;
mod tracker_udp;
mod tribler;
mod tribler_events;
mod tribler_rest;
mod tribler_settings;
mod tribler_torrentinfo;
mod udpt;
