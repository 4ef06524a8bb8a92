//! The JSON of the whitelist and the keys.

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::access::KeyRecord;

/// The whitelist.
#[derive(Serialize, ToSchema)]
pub(super) struct Whitelist {
    /// How many there are.
    pub(super) total: usize,
    /// The info-hashes, 40 hex digits each.
    pub(super) info_hashes: Vec<String>,
}

/// One swarm on the whitelist.
#[derive(Serialize, ToSchema)]
pub(super) struct WhitelistEntry {
    /// 40 hex digits.
    pub(super) info_hash: String,
}

/// All keys.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    /// How many there are.
    pub(super) total: usize,
    /// Each of them, without most of its characters.
    pub(super) keys: Vec<KeyRow>,
}

/// A key in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyRow {
    /// How it begins: enough to tell it from others.
    prefix: String,
    /// The last second in which it lets in, Unix seconds; null = for ever.
    valid_until: Option<i64>,
    /// Whether that is over.
    is_expired: bool,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewKey {
    /// All of it: 32 letters and digits.
    key: String,
    /// How lists show it.
    prefix: String,
    /// The last second in which it lets in, Unix seconds; null = for ever.
    valid_until: Option<i64>,
}

/// What a key is to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct KeyBody {
    /// For how many seconds from now on it is good; null or absent = for ever.
    pub(super) valid_s: Option<u64>,
    /// 32 letters and digits of your own choice; null or absent = random ones.
    #[schema(pattern = "^[0-9A-Za-z]{32}$")]
    pub(super) key: Option<String>,
}

impl KeyRow {
    pub(super) fn of(record: &KeyRecord, now_s: i64) -> Self {
        Self {
            prefix: record.key.prefix().to_owned(),
            valid_until: record.valid_until,
            is_expired: record.valid_until.is_some_and(|end| end < now_s),
        }
    }
}

impl NewKey {
    pub(super) fn of(record: &KeyRecord) -> Self {
        Self {
            key: record.key.as_str().to_owned(),
            prefix: record.key.prefix().to_owned(),
            valid_until: record.valid_until,
        }
    }
}
