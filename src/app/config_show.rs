//! The configuration as a list of keys for people, each with its source and no secret.

use figment::value::Dict;
use figment::value::Value;

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// One key as `cove config` shows it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The full key, such as `api.bind`.
    pub key: String,
    /// Its value; a secret that is set is [`MASK`].
    pub value: Value,
    /// `default`, the path of the configuration file, `environment variable NAME`, or the flag.
    pub source: String,
}

/// Whether the value of `key` must never be shown (rule W11).
pub fn is_secret(key: &str) -> bool {
    const SECRET_WORDS: [&str; 4] = ["password", "passwd", "secret", "token"];
    let setting = key.strip_prefix("client.settings.").map(str::to_ascii_lowercase);
    key == "api.token"
        || setting.is_some_and(|name| SECRET_WORDS.iter().any(|word| name.contains(word)))
}

/// The leaves of `table`, keys in order, each with the source that `source` knows for its key.
pub(crate) fn rows(table: Dict, source: &dyn Fn(&str) -> String) -> Vec<Row> {
    let mut rows = Vec::new();
    collect("", table, source, &mut rows);
    rows
}

fn collect(prefix: &str, table: Dict, source: &dyn Fn(&str) -> String, rows: &mut Vec<Row>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Dict(_, inner) => collect(&key, inner, source, rows),
            value => {
                let source = source(&key);
                rows.push(Row { value: masked(&key, value), key, source });
            }
        }
    }
}

fn masked(key: &str, value: Value) -> Value {
    match value {
        Value::Empty(..) => value,
        _ if is_secret(key) => Value::from(MASK),
        _ => value,
    }
}
