//! The JSON that the command line finds in files, is refused with, and prints for programs.

use std::path::Path;

use figment::value::Value as ConfigValue;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::app::cli::native_wire::Download;
use crate::app::config_show::Row;
use crate::app::logging;
use crate::app::state_dir;

/// `api.json` of a state directory.
#[derive(Debug, Deserialize)]
pub(super) struct ApiFile {
    pub(super) url: String,
}

/// A problem document (RFC 9457), or what is said before any API is reached.
#[derive(Deserialize)]
#[serde(untagged)]
enum Refusal {
    Problem { detail: String },
    Object { error: RefusalObject },
}

#[derive(Deserialize)]
struct RefusalObject {
    message: String,
}

/// Where the server that holds `state_dir` listens, as it says itself.
pub(super) fn api_file(state_dir: &Path) -> Option<ApiFile> {
    let text = std::fs::read(state_dir::api_path(state_dir)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The sentence in an error answer of any form.
pub(super) fn refusal(body: &[u8]) -> Option<String> {
    Some(match serde_json::from_slice::<Refusal>(body).ok()? {
        Refusal::Problem { detail: message }
        | Refusal::Object { error: RefusalObject { message } } => message,
    })
}

/// `cove add --json`: what was added, in the order of the arguments.
pub(super) fn added_json(added: &[(String, String)]) -> String {
    let one = |(source, hash): &(String, String)| json!({ "source": source, "infohash": hash });
    pretty(&json!({ "added": added.iter().map(one).collect::<Vec<_>>() }))
}

/// `cove rm --json`: what was removed.
pub(super) fn removed_json(removed: &[Download], with_data: bool) -> String {
    let one =
        |download: &Download| json!({ "infohash": download.info_hash, "name": download.name });
    let list: Vec<_> = removed.iter().map(one).collect();
    pretty(&json!({ "removed": list, "with_data": with_data }))
}

/// `cove config --json`: an object from key to value and source.
pub(super) fn config_json(rows: &[Row]) -> String {
    let one = |row: &Row| {
        let shown = json!({ "value": row.value, "source": row.source });
        (row.key.clone(), shown)
    };
    pretty(&Value::Object(rows.iter().map(one).collect()))
}

/// A configuration value as TOML writes it, which for these types is as JSON does. An absent
/// text is an empty one, which means the same.
pub(super) fn value_text(value: &ConfigValue) -> String {
    match serde_json::to_value(value) {
        Ok(Value::Null) | Err(_) => "\"\"".into(),
        Ok(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        Ok(value) => value.to_string(),
    }
}

/// JSON for people and programs. The library leaves some control characters as they are, which
/// a terminal would obey.
pub(super) fn pretty(value: &Value) -> String {
    let text = format!("{value:#}");
    let lines: Vec<_> = text.lines().map(logging::escape_json).collect();
    lines.join("\n")
}
