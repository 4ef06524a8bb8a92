//! Adding and removing downloads.

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::bencode;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::torrent_body;
use crate::dialects::tribler::wire;
use crate::dialects::tribler::wire::AddBody;
use crate::dialects::tribler::wire::RemoveBody;
use crate::dialects::tribler::wire::Removed;
use crate::dialects::tribler::wire::Started;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;
use crate::service::adding::AddWish;
use crate::service::adding::Source;

/// The refusal of hops, which must not be pretended (rule F12).
pub(super) const NO_HOPS: &str =
    "anonymous downloads are not available here: use anon_hops 0, or leave it out";

impl Tribler {
    /// `PUT /downloads`
    pub(super) async fn add(
        &self,
        _generation: Generation,
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        let (source, wish) = match is_torrent_file(call) {
            true => uploaded(call).await?,
            false => self.named(call).await?,
        };
        let added = self.services.torrents.add(source, wish).await?;
        Ok(json_reply(json::text(&Started { started: true, infohash: added.id })))
    }

    /// A download named by its link.
    async fn named(&self, call: &mut Call) -> Result<(Source, AddWish), Refusal> {
        let body: AddBody = wire::parse(&json_body(call).await?)?;
        let uri = body.uri.clone().filter(|uri| !uri.is_empty());
        let uri = uri.ok_or_else(|| Refusal::bad("uri parameter missing"))?;
        let wish = checked(body)?;
        let source = self.services.fetch.torrent(&uri).await.map_err(|error| {
            // A 404 would read as "this download does not exist".
            match error.kind() {
                ErrorKind::NotFound => Refusal::bad(error.public_message()),
                _ => Refusal::from(error),
            }
        })?;
        Ok((source, wish))
    }

    /// `DELETE /downloads/{infohash}`; the body is judged before the hash, as in the original.
    pub(super) async fn remove(&self, hash: &str, call: &mut Call) -> Result<Reply, Refusal> {
        let body: RemoveBody = wire::parse(&json_body(call).await?)?;
        let remove_data =
            body.remove_data.ok_or_else(|| Refusal::bad("remove_data parameter missing"))?;
        let id = self.find(hash)?.id;
        let removed = self.services.torrents.remove(id, remove_data).await;
        removed.map_err(|error| Refusal::of_removal(&error))?;
        Ok(json_reply(json::text(&Removed { removed: true, infohash: id })))
    }
}

/// 8.x takes a raw torrent under a type that it spells with an s; the registered one is fine too.
fn is_torrent_file(call: &Call) -> bool {
    let kind = call.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["applications/x-bittorrent", "application/x-bittorrent"]
        .iter()
        .any(|one| one.eq_ignore_ascii_case(kind))
}

/// A download whose torrent file is the body; options are in the query.
async fn uploaded(call: &mut Call) -> Result<(Source, AddWish), Refusal> {
    let options = in_query(call)?;
    let file = torrent_body(call).await?;
    let selected = bencode::integers(&file, b"selected_files").map_err(|_| {
        Refusal::handled(500, "corrupt torrent file (it is not a bencoded dictionary)")
    })?;
    let options = AddBody { selected_files: options.selected_files.or(selected), ..options };
    Ok((Source::File(file.to_vec()), checked(options)?))
}

fn in_query(call: &Call) -> Result<AddBody, Refusal> {
    let text = |name: &str| call.query(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let flag = |name: &str| match call.query(name) {
        None | Some("") => Ok(None),
        Some("1" | "true" | "True") => Ok(Some(true)),
        Some("0" | "false" | "False") => Ok(Some(false)),
        Some(_) => Err(Refusal::bad(format!("{name} must be 0 or 1"))),
    };
    let hops = call.query("anon_hops").filter(|hops| !hops.is_empty()).map(str::parse);
    let hops = hops.transpose().map_err(|_| Refusal::bad("anon_hops must be a number"))?;
    Ok(AddBody {
        uri: None,
        anon_hops: hops,
        safe_seeding: flag("safe_seeding")?,
        destination: text("destination"),
        selected_files: listed(call.query("selected_files"))?,
        completed_dir: text("completed_dir"),
        auto_managed: flag("auto_managed")?,
        only_metadata: flag("only_metadata")?,
    })
}

/// Indices as one text with commas.
fn listed(text: Option<&str>) -> Result<Option<Vec<i64>>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |_| Refusal::bad("selected_files is a list of indices with commas, such as 0,2");
    text.split(',')
        .map(|index| index.trim().parse().map_err(wrong))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn checked(body: AddBody) -> Result<AddWish, Refusal> {
    let is_safe = body.safe_seeding.unwrap_or(false);
    match body.anon_hops.unwrap_or(0) {
        0 => {}
        ..0 => return Err(Refusal::bad("anon_hops must be 0 or more")),
        _ if !is_safe => {
            return Err(Refusal::bad("Cannot set anonymous download without safe seeding enabled"));
        }
        _ => return Err(Refusal::bad(NO_HOPS)),
    }
    Ok(AddWish {
        destination: body.destination.filter(|path| !path.is_empty()),
        selected_files: body.selected_files.map(|files| indices(&files)).transpose()?,
        anon_hops: 0,
        safe_seeding: is_safe,
        is_stopped: false,
        auto_managed: body.auto_managed.unwrap_or(false),
        only_metadata: body.only_metadata.unwrap_or(false),
        completed_dir: body.completed_dir.filter(|path| !path.is_empty()),
        ..AddWish::default()
    })
}

/// File indices; whether the torrent has so many files is judged by the service.
pub(super) fn indices(files: &[i64]) -> Result<Vec<u32>, Refusal> {
    let index = |file: &i64| u32::try_from(*file);
    files
        .iter()
        .map(index)
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::bad("index out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: AddBody) -> String {
        match checked(body) {
            Err(Refusal::Handled { status: 400, message }) => message,
            other => panic!("{other:?}"),
        }
    }

    /// Rule F12.
    #[test]
    fn f12_hops_are_refused_and_never_pretended() {
        let body = |anon_hops, safe_seeding| AddBody {
            anon_hops: Some(anon_hops),
            safe_seeding: Some(safe_seeding),
            ..AddBody::default()
        };
        assert_eq!(
            refusal(body(1, false)),
            "Cannot set anonymous download without safe seeding enabled"
        );
        assert_eq!(refusal(body(1, true)), NO_HOPS);
        assert_eq!(refusal(body(-1, true)), "anon_hops must be 0 or more");
        assert!(checked(body(0, true)).unwrap().safe_seeding);
    }

    #[test]
    fn empty_texts_are_absent_and_indices_are_checked() {
        let body = AddBody {
            destination: Some(String::new()),
            selected_files: Some(vec![0, 2]),
            ..AddBody::default()
        };
        let wish = checked(body).unwrap();
        assert_eq!((wish.destination, wish.selected_files), (None, Some(vec![0, 2])));
        let body = AddBody { selected_files: Some(vec![-1]), ..AddBody::default() };
        assert_eq!(refusal(body), "index out of range");
    }
}
