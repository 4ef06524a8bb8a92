//! Parameters and results of the lists of torrents (section 6). Members stand in alphabetical
//! order, which is the order of the original's answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::dialects::porla::json::Hash;
use crate::dialects::porla::json::HashParam;
use crate::dialects::porla::json::Object;

#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) filters: Filters,
    pub(super) include_metadata: Option<Vec<String>>,
    pub(super) order_by: Option<String>,
    pub(super) order_by_dir: Option<String>,
    pub(super) page: Option<i64>,
    pub(super) page_size: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Count {
    #[serde(default)]
    pub(super) filters: Filters,
}

#[derive(Deserialize)]
pub(super) struct Get {
    pub(super) include_metadata: Option<Vec<String>>,
    pub(super) info_hash: HashParam,
}

/// Filters by name; other names and values that are no text are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    pub(super) category: Option<String>,
    pub(super) query: Option<String>,
    pub(super) save_path: Option<String>,
    pub(super) session: Option<String>,
    pub(super) tags: Option<String>,
}

impl<'de> Deserialize<'de> for Filters {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = Option::<Map<String, Value>>::deserialize(from)?.unwrap_or_default();
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            category: text("category"),
            query: text("query").filter(|query| !query.is_empty()),
            save_path: text("save_path"),
            session: text("session"),
            tags: text("tags"),
        })
    }
}

#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub(super) order_by: &'a str,
    pub(super) order_by_dir: &'a str,
    pub(super) page: i64,
    pub(super) page_size: i64,
    pub(super) torrents: Vec<Row<'a>>,
    pub(super) torrents_total: usize,
    pub(super) torrents_total_unfiltered: usize,
}

#[derive(Serialize)]
pub(super) struct Counted {
    pub(super) count: usize,
}

#[derive(Serialize)]
pub(super) struct Row<'a> {
    pub(super) active_duration: u64,
    pub(super) all_time_download: u64,
    pub(super) all_time_upload: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) category: Option<String>,
    pub(super) download_rate: u32,
    pub(super) error: Option<RowError<'a>>,
    pub(super) eta: i64,
    pub(super) finished_duration: u64,
    pub(super) flags: Vec<&'static str>,
    pub(super) info_hash: Hash,
    pub(super) last_download: i64,
    pub(super) last_upload: i64,
    pub(super) list_peers: u32,
    pub(super) list_seeds: u32,
    pub(super) metadata: Object,
    pub(super) moving_storage: bool,
    pub(super) name: &'a str,
    pub(super) num_peers: u32,
    pub(super) num_seeds: u32,
    pub(super) progress: f64,
    pub(super) queue_position: i32,
    pub(super) ratio: f64,
    pub(super) save_path: &'a str,
    pub(super) seeding_duration: u64,
    pub(super) session: &'a str,
    pub(super) size: i64,
    pub(super) state: u8,
    pub(super) tags: Vec<String>,
    pub(super) total: u64,
    pub(super) total_done: u64,
    pub(super) upload_rate: u32,
}

#[derive(Serialize)]
pub(super) struct RowError<'a> {
    pub(super) message: &'a str,
    pub(super) value: i32,
}

#[derive(Serialize)]
pub(super) struct Overview {
    pub(super) sessions: BTreeMap<String, SessionOverview>,
}

#[derive(Default, Serialize)]
pub(super) struct SessionOverview {
    pub(super) torrents_per_category: BTreeMap<String, usize>,
    pub(super) torrents_per_state: BTreeMap<&'static str, usize>,
    pub(super) torrents_per_tag: BTreeMap<String, usize>,
    pub(super) torrents_per_tracker: BTreeMap<String, usize>,
    pub(super) torrents_total: usize,
}
