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
use crate::service::seeding;

/// Bytes of the unit in which Tribler limits rates.
const KIB: i64 = 1024;

/// What a key of Tribler counts in, when it is not what ours does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Ours counts bytes.
    Kib,
    /// Ours counts percent, theirs is a fraction.
    Whole,
}

/// Tribler's keys, with ours and the unit of theirs.
const ALIASES: [(&str, &str, Option<Unit>); 10] = [
    // Where 7.x has it, and where 8.x does.
    ("download_defaults.saveas", "client.download_dir", None),
    ("libtorrent.download_defaults.saveas", "client.download_dir", None),
    ("download_defaults.seeding_ratio", SEED_RATIO, Some(Unit::Whole)),
    ("libtorrent.download_defaults.seeding_ratio", SEED_RATIO, Some(Unit::Whole)),
    ("libtorrent.max_download_rate", "client.limits.download_bytes_per_s", Some(Unit::Kib)),
    ("libtorrent.max_upload_rate", "client.limits.upload_bytes_per_s", Some(Unit::Kib)),
    ("libtorrent.dht", "client.dht", None),
    ("libtorrent.lsd", "client.lsd", None),
    ("libtorrent.natpmp", "client.natpmp", None),
    ("libtorrent.upnp", "client.upnp", None),
];

/// Where Tribler keeps how downloads are added: 7.x and 8.x.
const DEFAULTS: [&str; 2] = ["download_defaults", "libtorrent.download_defaults"];

/// Our key for how far torrents are seeded, in percent; 0 = without end.
const SEED_RATIO: &str = "client.limits.seed_ratio_percent";

/// Tribler's key beside it, which says whether the ratio counts at all.
const MODE: &str = ".seeding_mode";

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
    flat.retain(|key, value| !present.get(key).is_some_and(|shown| is_same(shown, value)));
    let (modes, others): (Vec<_>, Vec<_>) =
        flat.into_iter().partition(|(key, _)| key.ends_with(MODE));
    let changed = others.into_iter().map(|(key, value)| change(key, value));
    let changed = changed.collect::<Result<Vec<_>, _>>()?;
    modes.into_iter().try_fold(changed, |changed, (key, mode)| in_mode(changed, &key, &mode))
}

/// Whether nothing changes: a client may send 2 for a 2.0 that it got.
fn is_same(shown: &Json, sent: &Json) -> bool {
    shown == sent || (sent.is_number() && shown.as_f64() == sent.as_f64())
}

/// Another mode of seeding: without end there is no ratio, and with one there must be one.
fn in_mode(
    mut changed: Vec<(String, Option<Value>)>,
    key: &str,
    mode: &Json,
) -> Result<Vec<(String, Option<Value>)>, Refusal> {
    let is_ratio = |(key, _): &(String, Option<Value>)| key == SEED_RATIO;
    match mode.as_str() {
        Some("forever") => {
            changed.retain(|change| !is_ratio(change));
            changed.push((SEED_RATIO.to_owned(), Some(Value::Number(0))));
            Ok(changed)
        }
        Some("ratio") if changed.iter().any(is_ratio) => Ok(changed),
        Some("ratio") => Err(Refusal::bad("seeding_mode `ratio` needs a seeding_ratio above 0")),
        _ => Err(Refusal::bad(format!("`{key}` is `forever` or `ratio` here"))),
    }
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
        (Json::Number(number), Some(Unit::Whole)) => {
            let limit = number.as_f64().map(seeding::limit_of).transpose()?;
            let percent = limit.map(|limit| i64::from(limit.thousandths().div_ceil(10)));
            percent.map(Value::Number)
        }
        (Json::Number(number), unit) => {
            let number = number.as_i64().ok_or_else(|| wrong(&key))?;
            // Tribler's -1 stands for no limit, as 0 does.
            let bytes = number.max(0).saturating_mul(KIB);
            Some(Value::Number(unit.map_or(number, |_| bytes)))
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
            (Some(Json::Number(bytes)), Some(Unit::Kib)) => {
                bytes.as_i64().map(|b| (b / KIB).into())
            }
            (Some(Json::Number(percent)), Some(Unit::Whole)) => {
                percent.as_f64().map(|percent| (percent / 100.0).into())
            }
            (value, _) => value.cloned(),
        };
        shown.extend(value.map(|value| (theirs.to_owned(), value)));
    }
    let has_end = shown.get(SEED_RATIO).and_then(Json::as_i64).is_some_and(|percent| percent > 0);
    let mode = if has_end { "ratio" } else { "forever" };
    shown.extend(DEFAULTS.map(|section| (format!("{section}{MODE}"), mode.into())));
    shown.extend(fixed());
    shown
}

/// What Tribler can be set to and Cove is: without hops.
fn fixed() -> impl Iterator<Item = (String, Json)> {
    DEFAULTS.into_iter().flat_map(|section| {
        let members: [(&str, Json); 3] = [
            ("anonymity_enabled", false.into()),
            ("number_hops", 0.into()),
            ("safeseeding_enabled", false.into()),
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
            ("client.limits.seed_ratio_percent", Value::Number(150)),
        ];
        pairs.map(setting).to_vec()
    }

    #[test]
    fn keys_are_objects_in_objects_beside_triblers_own() {
        let text = serde_json::to_value(settings(&list(), vec![6881])).unwrap();
        let defaults = serde_json::json!({
            "anonymity_enabled": false, "number_hops": 0, "safeseeding_enabled": false,
            "saveas": "/srv/dl", "seeding_mode": "ratio", "seeding_ratio": 1.5,
        });
        let expected = serde_json::json!({
            "settings": {
                "api": {"allowed_hosts": ["nas"], "token": null},
                "client": {
                    "dht": true,
                    "download_dir": "/srv/dl",
                    "limits": {"download_bytes_per_s": 10240, "seed_ratio_percent": 150},
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
        let percent = |percent| {
            vec![("client.limits.seed_ratio_percent".to_owned(), Some(Value::Number(percent)))]
        };
        assert_eq!(of(r#"{"download_defaults": {"seeding_ratio": 2}}"#), percent(200));
        assert_eq!(of(r#"{"download_defaults": {"seeding_mode": "forever"}}"#), percent(0));
        let endless = r#"{"libtorrent": {"download_defaults": {"seeding_mode": "forever", "seeding_ratio": 3}}}"#;
        assert_eq!(of(endless), percent(0));
        assert_eq!(of(r#"{"download_defaults": {"seeding_mode": "ratio"}}"#), []);
        for wrong in [
            r#"{"download_defaults": {"seeding_ratio": -2}}"#,
            r#"{"client": {"dht": 1.5}}"#,
            r#"{"libtorrent": {"max_upload_rate": "x"}}"#,
            r#"{"download_defaults": {"number_hops": 1}}"#,
            r#"{"libtorrent": {"download_defaults": {"seeding_mode": "never"}}}"#,
        ] {
            assert!(changes(&list(), wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
