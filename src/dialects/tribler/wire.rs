//! The JSON of Tribler's downloads API: bodies as they come and answers as they go, fields named
//! and ordered as Tribler does (`docs/api/tribler.md`).

use std::fmt::Display;

use serde::Deserialize;
use serde::Serialize;
use serde::Serializer;

use crate::dialects::tribler::Generation;
use crate::dialects::tribler::errors::Refusal;
use crate::domain::hash::TorrentId;

/// A number that is an integer when nothing was measured and a float otherwise, as in Python.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Number {
    Whole(i64),
    Real(f64),
    /// Printed with the digits of a 32-bit float: 0.1 and not 0.10000000149.
    Short(f32),
}

fn displayed<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// One element of `GET /downloads`: the members of 7.x, then those that only 8.x has, in one
/// object, since a client of either generation passes over what it does not know.
#[derive(Serialize)]
pub(super) struct Download<'a> {
    pub(super) name: &'a str,
    pub(super) progress: Number,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
    pub(super) speed_down: u32,
    pub(super) speed_up: u32,
    pub(super) status: &'static str,
    pub(super) status_code: u8,
    pub(super) size: u64,
    pub(super) eta: f64,
    pub(super) num_peers: u32,
    pub(super) num_seeds: u32,
    pub(super) num_connected_peers: u32,
    pub(super) num_connected_seeds: u32,
    pub(super) total_up: u64,
    pub(super) total_down: u64,
    pub(super) ratio: Number,
    pub(super) trackers: Vec<Tracker<'a>>,
    pub(super) hops: u32,
    pub(super) anon_download: bool,
    pub(super) safe_seeding: bool,
    pub(super) max_upload_speed: u32,
    pub(super) max_download_speed: u32,
    pub(super) destination: &'a str,
    pub(super) availability: f32,
    pub(super) total_pieces: u32,
    #[serde(flatten)]
    pub(super) stream: StreamState,
    pub(super) error: String,
    pub(super) time_added: i64,
    pub(super) channel_download: bool,
    #[serde(flatten)]
    pub(super) later: LaterMembers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peers: Option<Vec<PeerRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pieces: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<Vec<FileRow<'a>>>,
}

/// What 8.x added to a download.
#[derive(Serialize)]
pub(super) struct LaterMembers<'a> {
    pub(super) all_time_upload: u64,
    pub(super) all_time_download: u64,
    pub(super) all_time_ratio: Number,
    pub(super) last_download: i64,
    pub(super) last_upload: i64,
    pub(super) upload_limit: u32,
    pub(super) download_limit: u32,
    pub(super) seeding_ratio: f64,
    pub(super) completed_dir: &'a str,
    pub(super) time_finished: i64,
    pub(super) queue_position: i32,
    pub(super) auto_managed: bool,
    pub(super) user_stopped: bool,
    pub(super) streamable: bool,
}

/// The state of a stream: in 7.x beside a download and in the answer to `vod_mode`.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct StreamState {
    pub(super) vod_mode: bool,
    pub(super) vod_prebuffering_progress: f64,
    pub(super) vod_prebuffering_progress_consec: f64,
    pub(super) vod_header_progress: f64,
    pub(super) vod_footer_progress: f64,
}

/// A remote tracker; `[DHT]` and `[PeX]` are listed as if they were some.
#[derive(Serialize)]
pub(super) struct Tracker<'a> {
    pub(super) url: &'a str,
    pub(super) peers: i32,
    pub(super) seeds: i32,
    pub(super) leeches: i32,
    pub(super) status: TrackerStatus<'a>,
}

/// A tracker's status, composed while it is written.
pub(super) enum TrackerStatus<'a> {
    Fixed(&'static str),
    WithText(&'static str, &'a str),
    HttpCode(u16),
}

impl Serialize for TrackerStatus<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(text) => serializer.serialize_str(text),
            Self::WithText(kind, text) => serializer.collect_str(&format_args!("{kind}: {text}")),
            Self::HttpCode(code) => {
                serializer.collect_str(&format_args!("HTTP status code {code}"))
            }
        }
    }
}

/// A connected peer. Rates are bytes/s although Tribler's old comments say KB.
#[derive(Serialize)]
pub(super) struct PeerRow<'a> {
    #[serde(serialize_with = "displayed")]
    pub(super) id: TorrentId,
    pub(super) extended_version: &'a str,
    #[serde(serialize_with = "displayed")]
    pub(super) ip: std::net::IpAddr,
    pub(super) port: u16,
    pub(super) optimistic: bool,
    pub(super) direction: &'static str,
    pub(super) uprate: u32,
    pub(super) uinterested: bool,
    pub(super) uchoked: bool,
    pub(super) uhasqueries: bool,
    pub(super) uflushed: bool,
    pub(super) downrate: u32,
    pub(super) dinterested: bool,
    pub(super) dchoked: bool,
    pub(super) snubbed: bool,
    pub(super) utotal: u64,
    pub(super) dtotal: u64,
    pub(super) completed: f32,
    pub(super) speed: u32,
    pub(super) connection_type: u32,
    pub(super) seed: bool,
    pub(super) upload_only: bool,
}

/// A file of a torrent; `name` is without the torrent's top folder.
#[derive(Serialize)]
pub(super) struct FileRow<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) size: u64,
    pub(super) included: bool,
    pub(super) progress: Number,
}

/// The end of `GET /downloads`.
#[derive(Serialize)]
pub(super) struct Checkpoints {
    pub(super) total: usize,
    pub(super) loaded: usize,
    pub(super) all_loaded: bool,
}

/// `GET files`; 8.x repeats the info-hash.
#[derive(Serialize)]
pub(super) struct FilesAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) infohash: Option<String>,
    pub(super) files: Vec<FileRow<'a>>,
}

/// `PUT /downloads`.
#[derive(Serialize)]
pub(super) struct Started {
    pub(super) started: bool,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
}

/// `DELETE`.
#[derive(Serialize)]
pub(super) struct Removed {
    pub(super) removed: bool,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
}

/// `PATCH`.
#[derive(Serialize)]
pub(super) struct Modified {
    pub(super) modified: bool,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
}

/// `PATCH` with `vod_mode`.
#[derive(Serialize)]
pub(super) struct StreamModified {
    #[serde(flatten)]
    pub(super) stream: StreamState,
    #[serde(serialize_with = "displayed")]
    pub(super) infohash: TorrentId,
    pub(super) modified: bool,
}

/// The answers of the tracker routes: one member that is true.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TrackerDone {
    Added(bool),
    Removed(bool),
    Forced(bool),
}

/// Every refusal.
#[derive(Serialize)]
pub(super) struct ErrorBody {
    error: ErrorForm,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ErrorForm {
    Text(String),
    Object(ErrorObject),
}

/// The object form of a refusal.
#[derive(Serialize)]
pub(super) struct ErrorObject {
    handled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
}

impl ErrorBody {
    pub(super) fn text(message: String) -> Self {
        Self { error: ErrorForm::Text(message) }
    }

    pub(super) fn object(object: ErrorObject) -> Self {
        Self { error: ErrorForm::Object(object) }
    }
}

impl ErrorObject {
    pub(super) fn handled(message: String) -> Self {
        Self { handled: true, code: None, message }
    }

    /// 7.x names the exception in `code`, 8.x at the front of the message.
    pub(super) fn exception(
        handled: bool,
        class: &'static str,
        message: String,
        generation: Generation,
    ) -> Self {
        match generation {
            Generation::Seven => Self { handled, code: Some(class), message },
            Generation::Eight => {
                Self { handled, code: None, message: format!("{class}: {message}") }
            }
        }
    }
}

/// The body of `PUT /downloads`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct AddBody {
    pub(super) uri: Option<String>,
    pub(super) anon_hops: Option<i64>,
    pub(super) safe_seeding: Option<bool>,
    pub(super) destination: Option<String>,
    pub(super) selected_files: Option<Vec<i64>>,
    pub(super) completed_dir: Option<String>,
    pub(super) auto_managed: Option<bool>,
    pub(super) only_metadata: Option<bool>,
}

/// The body of `DELETE`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct RemoveBody {
    pub(super) remove_data: Option<bool>,
}

/// The body of the tracker routes.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct TrackerBody {
    pub(super) url: Option<String>,
}

/// The body of `PATCH`. Members that have an error text of their own for a wrong type are taken
/// as whatever they are.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct PatchBody {
    pub(super) vod_mode: Option<Loose>,
    pub(super) fileindex: Option<Loose>,
    pub(super) anon_hops: Option<i64>,
    pub(super) selected_files: Option<Vec<i64>>,
    pub(super) upload_limit: Option<i64>,
    pub(super) download_limit: Option<i64>,
    pub(super) seeding_ratio: Option<Loose>,
    pub(super) seeding_ratio_default: Option<Loose>,
    pub(super) queue_position: Option<Loose>,
    pub(super) auto_managed: Option<Loose>,
    pub(super) state: Option<Loose>,
    pub(super) dest_dir: Option<String>,
    pub(super) completed_dir: Option<String>,
    /// How many members the body has, known or not.
    #[serde(skip)]
    pub(super) members: usize,
}

/// A value of any type, seen only as far as its reader asks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Loose {
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

/// A body that needs nothing special. Its depth was judged when it was read.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| broken(&error))
}

/// The body of `PATCH`.
pub(super) fn parse_patch(body: &[u8]) -> Result<PatchBody, Refusal> {
    let members: serde_json::Map<String, serde_json::Value> = parse(body)?;
    let count = members.len();
    let patch = PatchBody::deserialize(serde_json::Value::Object(members));
    let patch = patch.map_err(|error| broken(&error))?;
    Ok(PatchBody { members: count, ..patch })
}

/// What is no JSON is an exception in the original; what has a wrong type is a bad parameter.
fn broken(error: &serde_json::Error) -> Refusal {
    if error.is_data() {
        return Refusal::bad(format!("bad parameter: {error}"));
    }
    Refusal::unhandled(
        "JSONDecodeError",
        format!("the body is not JSON: line {} column {}", error.line(), error.column()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_and_wrong_types_are_told_apart() {
        for body in ["", "{", "nonsense", "{\"uri\": }"] {
            let refusal = parse::<AddBody>(body.as_bytes()).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Unhandled { class: "JSONDecodeError", .. }),
                "{body}"
            );
        }
        for body in ["[1]x", "{\"uri\": 1}", "7", "{\"selected_files\": [\"a\"]}"] {
            let refusal = parse::<AddBody>(body.as_bytes()).unwrap_err();
            assert!(matches!(refusal, Refusal::Handled { status: 400, .. }), "{body}");
        }
    }

    #[test]
    fn unknown_members_and_nulls_count_as_absent() {
        let body = br#"{"uri": null, "anon_hops": 0, "x": [1, {"y": 2}]}"#;
        let expected = AddBody { anon_hops: Some(0), ..AddBody::default() };
        assert_eq!(parse::<AddBody>(body), Ok(expected));
    }

    #[test]
    fn a_patch_knows_its_members() {
        let patch = parse_patch(br#"{"state": "stop", "vod_mode": 1, "other": null}"#).unwrap();
        assert_eq!(patch.members, 3);
        assert_eq!(patch.state, Some(Loose::Text("stop".into())));
        assert_eq!(patch.vod_mode, Some(Loose::Whole(1)));
        assert!(matches!(parse_patch(b"[]"), Err(Refusal::Handled { status: 400, .. })));
    }
}
