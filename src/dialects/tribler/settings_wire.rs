//! The JSON of `/settings`: keys such as `client.limits.uploads` as objects in objects, and beside
//! them Tribler's own names for those that it has too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value as Json;

use crate::dialects::tribler::errors::Refusal;
use crate::dialects::tribler::wire::parse;
use crate::domain::setting::Setting;
use crate::domain::setting::Value;

/// Bytes of the unit in which Tribler limits rates.
const KIB: i64 = 1024;

/// Tribler's keys, with ours and the unit of theirs when it is a rate.
const ALIASES: [(&str, &str, Option<i64>); 8] = [
    // Where 7.x has it, and where 8.x does.
    ("download_defaults.saveas", "client.download_dir", None),
    ("libtorrent.download_defaults.saveas", "client.download_dir", None),
    ("libtorrent.max_download_rate", "client.limits.download_bytes_per_s", Some(KIB)),
    ("libtorrent.max_upload_rate", "client.limits.upload_bytes_per_s", Some(KIB)),
    ("libtorrent.dht", "client.dht", None),
    ("libtorrent.lsd", "client.lsd", None),
    ("libtorrent.natpmp", "client.natpmp", None),
    ("libtorrent.upnp", "client.upnp", None),
];

/// Where Tribler keeps how downloads are added: 7.x and 8.x.
const DEFAULTS: [&str; 2] = ["download_defaults", "libtorrent.download_defaults"];

/// `GET /settings`.
#[derive(Serialize)]
pub(super) struct Settings {
    settings: Map<String, Json>,
    ports: Vec<u16>,
}

/// `POST /settings`.
#[derive(Serialize)]
pub(super) struct Modified {
    pub(super) modified: bool,
}

/// Everything in `list`, and the ports that are open.
pub(super) fn settings(list: &[Setting], ports: Vec<u16>) -> Settings {
    let mut settings = Map::new();
    for (key, value) in shown(list) {
        put(&mut settings, &key, value);
    }
    Settings { settings, ports }
}

/// What a body changes: keys of ours, with `None` to take a change back.
pub(super) fn changes(
    list: &[Setting],
    body: &[u8],
) -> Result<Vec<(String, Option<Value>)>, Refusal> {
    let (wish, present) = (parse::<Map<String, Json>>(body)?, shown(list));
    let mut flat = BTreeMap::new();
    flatten("", wish, &mut flat);
    let changed = flat.into_iter().filter(|(key, value)| present.get(key) != Some(value));
    changed.map(|(key, value)| change(key, value)).collect()
}

fn change(key: String, value: Json) -> Result<(String, Option<Value>), Refusal> {
    if fixed().any(|(fixed, _)| fixed == key) {
        return Err(Refusal::bad(format!("`{key}` is always as it is here")));
    }
    let alias = ALIASES.iter().find(|(theirs, ..)| *theirs == key);
    let unit = alias.and_then(|(_, _, unit)| *unit);
    let value = match (value, unit) {
        (Json::Null, _) => None,
        (Json::Bool(on), None) => Some(Value::Bool(on)),
        (Json::Number(number), unit) => {
            let number = number.as_i64().ok_or_else(|| wrong(&key))?;
            // Tribler's -1 stands for no limit, as 0 does.
            let bytes = |unit: i64| number.max(0).saturating_mul(unit);
            Some(Value::Number(unit.map_or(number, bytes)))
        }
        (Json::String(text), None) => Some(Value::Text(text)),
        _ => return Err(wrong(&key)),
    };
    Ok((alias.map_or(key, |(_, ours, _)| (*ours).to_owned()), value))
}

fn wrong(key: &str) -> Refusal {
    Refusal::bad(format!("`{key}` cannot hold this"))
}

/// Every key with its value, ours and Tribler's.
fn shown(list: &[Setting]) -> BTreeMap<String, Json> {
    let mut shown: BTreeMap<String, Json> =
        list.iter().map(|setting| (setting.key.clone(), json(&setting.value))).collect();
    for (theirs, ours, unit) in ALIASES {
        let value = match (shown.get(ours), unit) {
            (Some(Json::Number(bytes)), Some(unit)) => bytes.as_i64().map(|b| (b / unit).into()),
            (value, _) => value.cloned(),
        };
        shown.extend(value.map(|value| (theirs.to_owned(), value)));
    }
    shown.extend(fixed());
    shown
}

/// What Tribler can be set to and Cove is: no hops, and seeding without an end.
fn fixed() -> impl Iterator<Item = (String, Json)> {
    DEFAULTS.into_iter().flat_map(|section| {
        let members: [(&str, Json); 4] = [
            ("anonymity_enabled", false.into()),
            ("number_hops", 0.into()),
            ("safeseeding_enabled", false.into()),
            ("seeding_mode", "forever".into()),
        ];
        members.map(|(name, value)| (format!("{section}.{name}"), value))
    })
}

fn json(value: &Value) -> Json {
    match value {
        Value::Nothing => Json::Null,
        Value::Bool(on) => (*on).into(),
        Value::Number(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.as_slice().into(),
    }
}

fn put(into: &mut Map<String, Json>, key: &str, value: Json) {
    match key.split_once('.') {
        None => drop(into.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let inner = into.entry(section).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn flatten(prefix: &str, object: Map<String, Json>, out: &mut BTreeMap<String, Json>) {
    for (name, value) in object {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Json::Object(inner) => flatten(&key, inner, out),
            value => drop(out.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::setting::SourceKind;

    fn list() -> Vec<Setting> {
        let setting = |(key, value): (&str, Value)| Setting {
            key: key.into(),
            value,
            source: SourceKind::Default,
            source_detail: "default".into(),
            can_change: true,
        };
        let pairs = [
            ("api.allowed_hosts", Value::List(vec!["nas".into()])),
            ("api.token", Value::Nothing),
            ("client.dht", Value::Bool(true)),
            ("client.download_dir", Value::Text("/srv/dl".into())),
            ("client.limits.download_bytes_per_s", Value::Number(10_240)),
        ];
        pairs.map(setting).to_vec()
    }

    #[test]
    fn keys_are_objects_in_objects_beside_triblers_own() {
        let text = serde_json::to_value(settings(&list(), vec![6881])).unwrap();
        let defaults = serde_json::json!({
            "anonymity_enabled": false, "number_hops": 0, "safeseeding_enabled": false,
            "saveas": "/srv/dl", "seeding_mode": "forever",
        });
        let expected = serde_json::json!({
            "settings": {
                "api": {"allowed_hosts": ["nas"], "token": null},
                "client": {
                    "dht": true,
                    "download_dir": "/srv/dl",
                    "limits": {"download_bytes_per_s": 10240},
                },
                "download_defaults": defaults,
                "libtorrent": {
                    "dht": true, "download_defaults": defaults, "max_download_rate": 10,
                },
            },
            "ports": [6881],
        });
        assert_eq!(text, expected);
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let of = |body: &str| changes(&list(), body.as_bytes()).unwrap();
        let all = serde_json::to_string(&settings(&list(), vec![]).settings).unwrap();
        assert_eq!(of(&all), []);
        let rate = |bytes| {
            vec![("client.limits.download_bytes_per_s".to_owned(), Some(Value::Number(bytes)))]
        };
        assert_eq!(of(r#"{"libtorrent": {"max_download_rate": 20, "dht": true}}"#), rate(20_480));
        assert_eq!(of(r#"{"libtorrent": {"max_download_rate": -1}}"#), rate(0));
        let off = vec![("client.dht".to_owned(), Some(Value::Bool(false)))];
        assert_eq!(of(r#"{"client": {"dht": false}}"#), off);
        assert_eq!(of(r#"{"client": {"dht": null}}"#), [("client.dht".to_owned(), None)]);
        for wrong in [
            r#"{"client": {"dht": 1.5}}"#,
            r#"{"libtorrent": {"max_upload_rate": "x"}}"#,
            r#"{"download_defaults": {"number_hops": 1}}"#,
            r#"{"libtorrent": {"download_defaults": {"seeding_mode": "never"}}}"#,
        ] {
            assert!(changes(&list(), wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
