//! libtorrent, behind one handle.

pub(crate) mod ffi;
pub(crate) mod waker;
