//! `GET /downloads/{infohash}/stream/{fileindex}`, as 8.x answers it.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::http::Call;
use crate::http::Reply;
use crate::http::range;
use crate::http::range::Unsatisfiable;

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
        let (size, name) = (file.size_bytes, file.name.clone());
        Ok(wanted.reply(size, &name, file.read(wanted.part(size))))
    }
}

fn unsatisfiable(size_bytes: u64) -> Reply {
    Reply::new(416)
        .header("content-range", &format!("bytes */{size_bytes}"))
        .header("content-type", "text/plain")
        .bytes("Requested Range Not Satisfiable")
}
