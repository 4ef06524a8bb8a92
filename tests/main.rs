//! What a user can see, tried on the real program: one module a capability.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod cli;
mod common;
mod foreign;
mod hostile;
mod house;
mod restart;
mod streaming;
