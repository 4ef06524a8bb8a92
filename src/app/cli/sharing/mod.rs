//! `cove share`, `cove unshare`, `cove friend`: your own files, for people with names.

pub(super) mod friend;
pub(super) mod share;
mod wire;
