//! `GET /api/files/browse` and `/api/files/list`: what lies below the download roots.

use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::program_wire::Browsed;
use crate::dialects::tribler::program_wire::BrowsedEntry;
use crate::dialects::tribler::program_wire::ListedFiles;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;
use crate::service::browse::Depth;

/// How the original calls what is above everything.
const TOP: &str = "Root";

impl Tribler {
    /// `GET /api/files/browse?path=&files=1`
    pub(super) async fn browse(&self, call: &Call) -> Result<Reply, Refusal> {
        let has_files = matches!(call.query("files"), Some("1" | "true"));
        let listing = self.services.browse.directory(call.query("path").unwrap_or("")).await?;
        let above = listing.directory.as_ref().map(|_| BrowsedEntry {
            name: "..",
            path: listing.parent.as_deref().unwrap_or("/"),
            dir: Some(true),
        });
        let shown = listing.entries.iter().filter(|entry| has_files || entry.is_directory);
        let paths = above.into_iter().chain(shown.map(|entry| BrowsedEntry {
            name: &entry.name,
            path: &entry.path,
            dir: Some(entry.is_directory),
        }));
        let current = listing.directory.as_deref().unwrap_or(TOP);
        let body = Browsed { current, paths: paths.collect(), separator: "/" };
        Ok(json_reply(json::text(&body)))
    }

    /// `GET /api/files/list?path=&recursively=0`
    pub(super) async fn list_files(&self, call: &Call) -> Result<Reply, Refusal> {
        let path = call.query("path").unwrap_or("");
        let depth = if call.query("recursively") == Some("0") { Depth::Here } else { Depth::All };
        let files = self.services.browse.files(path, depth).await;
        let files = files.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Refusal::handled(404, format!("Directory {path} does not exist"))
            }
            _ => Refusal::from(error),
        })?;
        let paths =
            files.iter().map(|file| BrowsedEntry { name: &file.name, path: &file.path, dir: None });
        Ok(json_reply(json::text(&ListedFiles { paths: paths.collect() })))
    }
}
