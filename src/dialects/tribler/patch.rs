//! `PATCH /downloads/{infohash}`: everything is judged before anything is done, so that a refused
//! call changes nothing.

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::Tribler;
use crate::dialects::tribler::add::NO_HOPS;
use crate::dialects::tribler::add::indices;
use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::json;
use crate::dialects::tribler::json_body;
use crate::dialects::tribler::json_reply;
use crate::dialects::tribler::row;
use crate::dialects::tribler::wire;
use crate::dialects::tribler::wire::Loose;
use crate::dialects::tribler::wire::Modified;
use crate::dialects::tribler::wire::PatchBody;
use crate::dialects::tribler::wire::StreamModified;
use crate::domain::error::ErrorKind;
use crate::domain::hash::TorrentId;
use crate::domain::ratio::Ratio;
use crate::domain::torrent::Torrent;
use crate::http::Call;
use crate::http::Reply;
use crate::http::range;
use crate::http::range::Wanted;
use crate::service::seeding;
use crate::service::torrents::QueueMove;

/// A patch whose every part is known to be well formed.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    selected_files: Option<Vec<u32>>,
    upload_limit: Option<u32>,
    download_limit: Option<u32>,
    queue: Option<QueueMove>,
    auto_managed: Option<bool>,
    completed_dir: Option<String>,
    /// `Some(None)` = as configured.
    seeding_ratio: Option<Option<Ratio>>,
    state: Option<State>,
}

#[derive(Debug, PartialEq)]
enum State {
    Resume,
    Stop,
    Recheck,
    MoveTo(String),
}

impl Tribler {
    /// The route. `vod_mode` excludes everything else, as in the original.
    pub(super) async fn patch(
        &self,
        generation: Generation,
        hash: &str,
        call: &mut Call,
    ) -> Result<Reply, Refusal> {
        let torrent = self.find(hash)?;
        let patch = wire::parse_patch(&json_body(call).await?)?;
        if let Some(vod_mode) = &patch.vod_mode {
            return self.stream_mode(&torrent, vod_mode, patch.fileindex.as_ref(), call).await;
        }
        let changes = judged(patch)?;
        if let Some(wish) = &changes.completed_dir {
            self.services.torrents.check_completed_dir(torrent.id, wish).await?;
        }
        self.apply(generation, torrent.id, changes).await?;
        Ok(json_reply(json::text(&Modified { modified: true, infohash: torrent.id })))
    }

    async fn apply(
        &self,
        generation: Generation,
        id: TorrentId,
        changes: Changes,
    ) -> Result<(), Refusal> {
        let torrents = &self.services.torrents;
        if let Some(files) = changes.selected_files {
            torrents.select_files(id, &files).await?;
        }
        if changes.upload_limit.is_some() || changes.download_limit.is_some() {
            torrents.set_limits(id, changes.download_limit, changes.upload_limit).await?;
        }
        if let Some(step) = changes.queue {
            torrents.move_in_queue(id, step).await?;
        }
        if let Some(on) = changes.auto_managed {
            torrents.set_auto_managed(id, on).await?;
        }
        if let Some(wish) = changes.completed_dir {
            torrents.set_completed_dir(id, &wish).await?;
        }
        if let Some(limit) = changes.seeding_ratio {
            torrents.set_seed_ratio(id, limit).await?;
        }
        match changes.state {
            None => {}
            Some(State::Resume) => torrents.resume(id).await?,
            Some(State::Stop) => torrents.stop(id).await?,
            Some(State::Recheck) => torrents.recheck(id).await?,
            Some(State::MoveTo(target)) => self.move_storage(generation, id, &target).await?,
        }
        Ok(())
    }

    /// 7.x answers 200 with an error when the directory is missing, 8.x 400.
    async fn move_storage(
        &self,
        generation: Generation,
        id: TorrentId,
        target: &str,
    ) -> Result<(), Refusal> {
        let moved = self.services.torrents.move_storage(id, target).await;
        moved.map_err(|error| match (error.kind(), generation) {
            (ErrorKind::NotFound, Generation::Seven) => Refusal::Fine { message: missing(target) },
            (ErrorKind::NotFound, Generation::Eight) => Refusal::bad(missing(target)),
            _ => Refusal::from(error),
        })
    }

    async fn stream_mode(
        &self,
        torrent: &Torrent,
        vod_mode: &Loose,
        fileindex: Option<&Loose>,
        call: &Call,
    ) -> Result<Reply, Refusal> {
        let files = &self.services.files;
        let (modified, progress) = match (vod_mode, fileindex) {
            (Loose::Bool(false), _) => (files.end(torrent.id).await?, None),
            (Loose::Bool(true), Some(Loose::Whole(index))) => {
                let index = usize::try_from(*index).map_err(|_| no_such_file())?;
                let start = prebuffer_start(torrent, index, call.header("range"))?;
                let (is_new, progress) = files.prepare(torrent.id, index, start).await?;
                (is_new, Some(progress))
            }
            (Loose::Bool(true), Some(_)) => return Err(Refusal::bad("fileindex must be a number")),
            (Loose::Bool(true), None) => {
                return Err(Refusal::bad("fileindex is necessary to enable vod_mode"));
            }
            _ => return Err(Refusal::bad("vod_mode must be bool flag")),
        };
        let stream = row::stream(progress);
        Ok(json_reply(json::text(&StreamModified { stream, infohash: torrent.id, modified })))
    }
}

/// Where in the file a Range header says that playing begins.
fn prebuffer_start(torrent: &Torrent, index: usize, header: Option<&str>) -> Result<u64, Refusal> {
    let metadata = torrent.metadata.as_ref();
    let file = metadata.and_then(|metadata| metadata.files.get(index)).ok_or_else(no_such_file)?;
    match range::parse(header, file.size_bytes) {
        Ok(Wanted::Whole) => Ok(0),
        Ok(Wanted::Part(part)) => Ok(part.start),
        Err(range::Unsatisfiable) => {
            Err(Refusal::bad("the Range header names no part of the file"))
        }
    }
}

fn no_such_file() -> Refusal {
    Refusal::bad("index out of range")
}

fn missing(target: &str) -> String {
    format!("Target directory ({target}) does not exist")
}

fn judged(patch: PatchBody) -> Result<Changes, Refusal> {
    if let Some(hops) = patch.anon_hops {
        judge_hops(hops, patch.members)?;
    }
    let seeding_ratio = judge_ratio(patch.seeding_ratio, patch.seeding_ratio_default)?;
    let selected_files = patch.selected_files.map(|files| indices(&files)).transpose()?;
    let state = patch.state.map(|state| judge_state(state, patch.dest_dir)).transpose()?;
    Ok(Changes {
        selected_files,
        upload_limit: patch.upload_limit.map(limit).transpose()?.flatten(),
        download_limit: patch.download_limit.map(limit).transpose()?.flatten(),
        queue: patch.queue_position.map(judge_queue).transpose()?,
        auto_managed: patch.auto_managed.map(judge_auto_managed).transpose()?,
        completed_dir: patch.completed_dir,
        seeding_ratio,
        state,
    })
}

fn judge_hops(hops: i64, members: usize) -> Result<(), Refusal> {
    if members > 1 {
        return Err(Refusal::bad("anon_hops must be the only parameter in this request"));
    }
    match hops {
        0 => Ok(()),
        ..0 => Err(Refusal::bad("anon_hops must be 0 or more")),
        _ => Err(Refusal::bad(NO_HOPS)),
    }
}

/// Bytes/s; 0 is ignored as in the original, -1 lifts the limit.
fn limit(value: i64) -> Result<Option<u32>, Refusal> {
    match value {
        0 => Ok(None),
        -1 => Ok(Some(0)),
        _ => u32::try_from(value).map(Some).map_err(|_| Refusal::bad("limit out of range")),
    }
}

fn judge_queue(value: Loose) -> Result<QueueMove, Refusal> {
    let Loose::Text(text) = value else {
        return Err(Refusal::bad("invalid value for queue_position"));
    };
    match text.as_str() {
        "queue_up" => Ok(QueueMove::Up),
        "queue_down" => Ok(QueueMove::Down),
        "queue_top" => Ok(QueueMove::Top),
        "queue_bottom" => Ok(QueueMove::Bottom),
        _ => Err(Refusal::bad("invalid value for queue_position")),
    }
}

/// The default wins over a number beside it, as in the original.
#[expect(clippy::cast_precision_loss, reason = "beyond what is precise no ratio is taken")]
fn judge_ratio(
    ratio: Option<Loose>,
    default: Option<Loose>,
) -> Result<Option<Option<Ratio>>, Refusal> {
    let number = match ratio {
        None => None,
        Some(Loose::Whole(number)) => Some(number as f64),
        Some(Loose::Real(number)) => Some(number),
        Some(_) => return Err(Refusal::bad("invalid value for seeding_ratio")),
    };
    let limit = number.map(seeding::limit_of).transpose()?;
    match default {
        None | Some(Loose::Bool(false)) => Ok(limit.map(Some)),
        Some(Loose::Bool(true)) => Ok(Some(None)),
        Some(_) => Err(Refusal::bad("invalid value for seeding_ratio_default")),
    }
}

fn judge_auto_managed(value: Loose) -> Result<bool, Refusal> {
    match value {
        Loose::Bool(on) => Ok(on),
        _ => Err(Refusal::bad("invalid value for auto_managed")),
    }
}

fn judge_state(value: Loose, dest_dir: Option<String>) -> Result<State, Refusal> {
    let Loose::Text(text) = value else {
        return Err(Refusal::bad("unknown state parameter"));
    };
    match text.as_str() {
        "resume" => Ok(State::Resume),
        "stop" => Ok(State::Stop),
        "recheck" => Ok(State::Recheck),
        "move_storage" => match dest_dir.filter(|target| !target.is_empty()) {
            Some(target) => Ok(State::MoveTo(target)),
            None => Err(Refusal::unhandled("KeyError", "'dest_dir'")),
        },
        _ => Err(Refusal::bad("unknown state parameter")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(body: &str) -> Result<Changes, Refusal> {
        judged(wire::parse_patch(body.as_bytes()).unwrap())
    }

    #[test]
    fn an_empty_patch_changes_nothing() {
        assert_eq!(changes("{}"), Ok(Changes::default()));
        assert_eq!(changes(r#"{"unknown": 1}"#), Ok(Changes::default()));
        assert_eq!(changes(r#"{"anon_hops": 0}"#), Ok(Changes::default()));
        assert_eq!(changes(r#"{"seeding_ratio_default": false}"#), Ok(Changes::default()));
    }

    #[test]
    fn a_ratio_is_a_number_or_the_default() {
        let wish = |body: &str| changes(body).unwrap().seeding_ratio;
        assert_eq!(wish(r#"{"seeding_ratio": 1.5}"#), Some(Ratio::of(1.5)));
        assert_eq!(wish(r#"{"seeding_ratio": 2}"#), Some(Ratio::of(2.0)));
        assert_eq!(wish(r#"{"seeding_ratio": 0}"#), Some(Some(Ratio::default())));
        assert_eq!(wish(r#"{"seeding_ratio_default": true}"#), Some(None));
        assert_eq!(wish(r#"{"seeding_ratio": 3, "seeding_ratio_default": true}"#), Some(None));
    }

    #[test]
    fn every_member_is_understood() {
        let all = changes(
            r#"{"selected_files": [], "upload_limit": 100, "download_limit": -1,
                "queue_position": "queue_top", "auto_managed": true, "completed_dir": "/srv/done",
                "seeding_ratio": 0.5, "state": "move_storage", "dest_dir": "/srv/x"}"#,
        );
        let expected = Changes {
            selected_files: Some(Vec::new()),
            upload_limit: Some(100),
            download_limit: Some(0),
            queue: Some(QueueMove::Top),
            auto_managed: Some(true),
            completed_dir: Some("/srv/done".into()),
            seeding_ratio: Some(Ratio::of(0.5)),
            state: Some(State::MoveTo("/srv/x".into())),
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(changes(r#"{"upload_limit": 0}"#), Ok(Changes::default()));
        for (text, state) in
            [("resume", State::Resume), ("stop", State::Stop), ("recheck", State::Recheck)]
        {
            let body = format!(r#"{{"state": "{text}"}}"#);
            assert_eq!(changes(&body), Ok(Changes { state: Some(state), ..Changes::default() }));
        }
    }

    #[test]
    fn each_bad_member_is_refused_in_the_words_of_the_original() {
        let bad = [
            (
                r#"{"anon_hops": 1, "state": "stop"}"#,
                "anon_hops must be the only parameter in this request",
            ),
            (r#"{"anon_hops": 2}"#, NO_HOPS),
            (r#"{"selected_files": [-1]}"#, "index out of range"),
            (r#"{"queue_position": "first"}"#, "invalid value for queue_position"),
            (r#"{"queue_position": 1}"#, "invalid value for queue_position"),
            (r#"{"auto_managed": "yes"}"#, "invalid value for auto_managed"),
            (r#"{"state": "sleep"}"#, "unknown state parameter"),
            (r#"{"state": 5}"#, "unknown state parameter"),
            (r#"{"upload_limit": -7}"#, "limit out of range"),
            (r#"{"seeding_ratio": -1}"#, "a ratio is a number from 0 to 1,000,000"),
            (r#"{"seeding_ratio": "2"}"#, "invalid value for seeding_ratio"),
            (r#"{"seeding_ratio_default": 1}"#, "invalid value for seeding_ratio_default"),
        ];
        for (body, message) in bad {
            assert_eq!(changes(body), Err(Refusal::bad(message)), "{body}");
        }
        let unhandled = changes(r#"{"state": "move_storage"}"#);
        assert_eq!(unhandled, Err(Refusal::unhandled("KeyError", "'dest_dir'")));
    }
}
