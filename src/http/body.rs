//! Request bodies, counted while they are read (rule W9).

use std::pin::Pin;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use futures_util::StreamExt;
use tokio::time::Instant;

/// How large bodies may be, in bytes (rules F4, W9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// JSON.
    pub json: usize,
    /// A torrent file.
    pub torrent: usize,
}

impl BodyLimits {
    /// JSON that holds a torrent file in base64.
    pub fn json_with_torrent(self) -> usize {
        (self.torrent.div_ceil(3) * 4).saturating_add(self.json)
    }
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { json: 1 << 20, torrent: 10 << 20 }
    }
}

/// A body that nobody has read yet.
pub(crate) struct Unread {
    pub(crate) incoming: Incoming,
    /// When it is given up.
    pub(crate) due: Instant,
    pub(crate) limits: BodyLimits,
}

/// How deep JSON may nest; checked before any parser sees it.
const JSON_DEPTH_MAX: usize = 64;

/// A body still on the wire.
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, ()>> + Send>>;

/// Why a body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It passes the limit; the rest was not read.
    TooLarge,
    /// It did not come in its time.
    Late,
    /// The connection broke, or the framing is wrong.
    Broken,
    /// Its JSON nests deeper than 64.
    TooDeep,
}

/// Reads all of `incoming`, or stops as soon as it passes `limit_bytes`.
pub(crate) async fn read(mut incoming: Incoming, limit_bytes: usize) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = incoming.next().await {
        let chunk = chunk.map_err(|()| BodyError::Broken)?;
        if whole.len() + chunk.len() > limit_bytes {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Whether brackets nest deeper than allowed; strings do not count.
pub(crate) fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Any stream of buffers as a stream of bytes.
pub(crate) fn incoming<B: Buf, E>(
    stream: impl Stream<Item = Result<B, E>> + Send + 'static,
) -> Incoming {
    Box::pin(stream.map(|chunk| match chunk {
        Ok(mut buffer) => Ok(buffer.copy_to_bytes(buffer.remaining())),
        Err(_) => Err(()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule W9: depth is bounded before a parser recurses.
    #[test]
    fn nesting_is_counted_outside_texts() {
        assert!(!is_too_deep(&b"[".repeat(64)));
        assert!(is_too_deep(&b"[".repeat(65)));
        assert!(is_too_deep(&b"{\"a\":".repeat(100_000)));
        assert!(!is_too_deep(format!("\"{}\\\"{}\"", "[".repeat(99), "{".repeat(99)).as_bytes()));
        assert!(!is_too_deep(&b"[]".repeat(100)));
    }
}
