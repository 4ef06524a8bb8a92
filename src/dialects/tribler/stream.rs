//! `GET /downloads/{infohash}/stream/{fileindex}`, as 8.x answers it.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::range;
use crate::dialects::tribler::range::Unsatisfiable;
use crate::dialects::tribler::range::Wanted;
use crate::http::Call;
use crate::http::Reply;

const ANY_BYTES: &str = "application/octet-stream";

impl Tribler {
    /// The bytes of a file, as they are verified. The range is judged before the download is
    /// touched.
    pub(super) async fn stream(
        &self,
        hash: &str,
        index: &str,
        call: &Call,
    ) -> Result<Reply, Refusal> {
        let torrent = self.find(hash)?;
        let index = index.bytes().all(|byte| byte.is_ascii_digit()).then(|| index.parse().ok());
        let index: usize = index
            .flatten()
            .ok_or_else(|| Refusal::unhandled("ValueError", "the file index is not a number"))?;
        let metadata = torrent.metadata.as_ref();
        let file = metadata.and_then(|metadata| metadata.files.get(index));
        let file = file.ok_or_else(|| Refusal::handled(404, "this file does not exist"))?;
        let wanted = match range::parse(call.header("range"), file.size_bytes) {
            Ok(wanted) => wanted,
            Err(Unsatisfiable) => return Ok(unsatisfiable(file.size_bytes)),
        };
        let file = self.services.files.open(torrent.id, index).await?;
        let size = file.size_bytes;
        let (reply, part) = match wanted {
            Wanted::Whole => (Reply::new(200), 0..size),
            Wanted::Part(part) => {
                let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                (Reply::new(206).header("content-range", &text), part)
            }
        };
        let reply = reply
            .header("accept-ranges", "bytes")
            .header("content-type", &content_type(&file.name));
        Ok(reply.stream(part.end - part.start, file.read(part)))
    }
}

fn unsatisfiable(size_bytes: u64) -> Reply {
    Reply::new(416)
        .header("content-range", &format!("bytes */{size_bytes}"))
        .header("content-type", "text/plain")
        .bytes("Requested Range Not Satisfiable")
}

/// The type of what players play; anything else, and all that a browser would run as part of this
/// origin, is plain bytes.
fn content_type(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let is_played = matches!(guess.type_().as_str(), "audio" | "video" | "image");
    if is_played && guess.subtype() != "svg" {
        guess.essence_str().to_owned()
    } else {
        ANY_BYTES.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_has_a_type_of_its_own() {
        assert_eq!(content_type("a.mp4"), "video/mp4");
        assert_eq!(content_type("a.MKV"), "video/x-matroska");
        assert_eq!(content_type("a.mp3"), "audio/mpeg");
        assert_eq!(content_type("a.jpg"), "image/jpeg");
        for name in ["a.html", "a.svg", "a.svgz", "a.js", "a.xml", "a.xhtml", "a", "a.exe"] {
            assert_eq!(content_type(name), ANY_BYTES, "{name}");
        }
    }
}
