//! `POST /createtorrent`: a torrent of files below the download roots.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::program_wire::CreateBody;
use crate::dialects::tribler::program_wire::Created;
use crate::dialects::tribler::program_wire::DryRun;
use crate::dialects::tribler::program_wire::DryRunBody;
use crate::dialects::tribler::wire;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;
use crate::service::adding::AddWish;
use crate::service::adding::Source;
use crate::service::authoring::AuthorWish;
use crate::service::authoring::HashMeter;
use crate::service::gather::gather;

impl Tribler {
    /// `POST /createtorrent?download=1`
    pub(super) async fn create(
        &self,
        generation: Generation,
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        let is_added = matches!(call.query("download"), Some("1" | "true"));
        let body: CreateBody = wire::parse(&json_body(call).await?)?;
        let files = body.files.filter(|files| !files.is_empty());
        let files = files.ok_or_else(|| Refusal::bad("files parameter missing"))?;
        let name = body.name.filter(|name| !name.is_empty());
        if name.as_deref().is_some_and(|name| !is_file_name(name)) {
            return Err(Refusal::bad("the name of a torrent is that of a file or folder"));
        }
        let source = gather(&self.services.browse, &files).await.map_err(not_there)?;
        let export = self.export_place(body.export_dir.as_deref()).await?;
        let wish = AuthorWish {
            path: source.path,
            name: name.clone(),
            // Each in a tier of its own, as the original does.
            trackers: body.trackers.unwrap_or_default().into_iter().map(|url| vec![url]).collect(),
            comment: body.description.unwrap_or_default(),
            skip: source.skip,
            ..AuthorWish::default()
        };
        let made = self.services.authoring.make(wish, HashMeter::default()).await;
        let made = made.map_err(not_there)?;
        let (file, called) = (made.torrent_file()?, made.prepared.name.to_string());
        if is_added {
            let own = made.source.file_name().and_then(|name| name.to_str());
            if own != Some(&*called) {
                let message = "with download=1 a torrent has the name of its file or folder";
                return Err(Refusal::bad(message));
            }
            let place = made.source.parent().and_then(|parent| parent.to_str());
            let wish = AddWish { destination: place.map(str::to_owned), ..AddWish::default() };
            self.services.torrents.add(Source::File(file.clone()), wish).await?;
        }
        if let Some(directory) = export {
            let name = format!("{}.torrent", name.unwrap_or(called));
            self.services.browse.write_file(&directory, &name, file.clone()).await?;
        }
        let kind = match generation {
            Generation::Seven => "text/plain",
            Generation::Eight => "application/json",
        };
        let body = json::text(&Created { torrent: STANDARD.encode(file) });
        Ok(Reply::new(200).header("content-type", kind).bytes(body))
    }

    /// `POST /api/createtorrent/dryrun`: whether `export_dir` could take something of this name.
    /// Nothing is written.
    pub(super) async fn dry_run(&self, call: &mut Call) -> Result<Reply, Refusal> {
        let body: DryRunBody = wire::parse(&json_body(call).await?)?;
        let name = body.name.filter(|name| !name.is_empty() && is_file_name(name));
        let name = name.ok_or_else(|| Refusal::bad("invalid name"))?;
        let directory = body.export_dir.filter(|path| !path.is_empty());
        let download_dir = || self.services.torrents.download_dir().to_owned();
        let directory = directory.unwrap_or_else(download_dir);
        let success = self.services.browse.could_take(&directory, &name).await?;
        Ok(json_reply(json::text(&DryRun { success })))
    }

    /// Where the torrent file is to be written too; nowhere when the directory does not exist.
    async fn export_place(&self, wish: Option<&str>) -> Result<Option<String>, Refusal> {
        match wish.filter(|wish| !wish.is_empty()) {
            Some(wish) => Ok(self.services.browse.existing(wish).await?),
            None => Ok(None),
        }
    }
}

/// Whether it can stand in a directory, and for a torrent.
fn is_file_name(name: &str) -> bool {
    !name.starts_with('.') && !name.contains('/') && !name.chars().any(char::is_control)
}

/// A 404 would read as "this download does not exist".
fn not_there(error: Error) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound => Refusal::bad(error.public_message()),
        _ => Refusal::from(error),
    }
}
