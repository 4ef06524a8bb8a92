//! The rules of the configuration, handed down to the service that changes it.

use std::collections::BTreeMap;

use figment::value::Value as Configured;

use crate::app::client_settings;
use crate::app::config::Config;
use crate::app::config::Loaded;
use crate::app::config_show::Row;
use crate::app::config_sources::CHANGED;
use crate::app::config_sources::VARIABLE;
use crate::app::config_tracker::TorrustPeers;
use crate::app::tracker;
use crate::domain::ratio::Ratio;
use crate::domain::setting::Setting;
use crate::domain::setting::SourceKind;
use crate::domain::setting::Value;
use crate::service::settings;
use crate::service::settings::Judge;
use crate::service::settings::SessionFacts;

/// What a ratio is counted in.
const THOUSANDTHS_PER_PERCENT: u32 = 10;

/// Says what `loaded` comes to with some changes.
pub(crate) fn judge(loaded: &Loaded) -> Judge {
    let loaded = loaded.clone();
    Box::new(move |changes| {
        let changed = loaded.changed(changes)?;
        let file = changed.file.as_ref().map(|path| path.display().to_string());
        let setting = |row: &Row| shown(row, file.as_deref());
        Ok(settings::Configured {
            settings: changed.rows.iter().map(setting).collect(),
            session: client_settings::default_session(&changed.config.client),
            tracker: tracker::config(&changed.config.tracker),
            presets: changed.config.presets.clone(),
            facts: facts(&changed.config),
        })
    })
}

/// What some API repeats of the configuration.
fn facts(config: &Config) -> SessionFacts {
    SessionFacts {
        download_limit: config.client.limits.download_bytes_per_s,
        upload_limit: config.client.limits.upload_bytes_per_s,
        seed_ratio: Ratio::of_thousandths(
            config.client.limits.seed_ratio_percent.saturating_mul(THOUSANDTHS_PER_PERCENT),
        ),
        has_dht: config.client.dht,
        has_pex: config.client.pex,
        has_torrust_objects: config.tracker.torrust_peers == TorrustPeers::Objects,
        has_open_metrics: config.metrics.open,
    }
}

fn shown(row: &Row, file: Option<&str>) -> Setting {
    let source = match row.source.as_str() {
        "default" => SourceKind::Default,
        CHANGED => SourceKind::Changed,
        source if source.starts_with(VARIABLE) => SourceKind::Environment,
        source if Some(source) == file => SourceKind::File,
        _ => SourceKind::CommandLine,
    };
    Setting {
        key: row.key.clone(),
        value: value(&row.value),
        source,
        source_detail: row.source.clone(),
        can_change: settings::is_changeable(&row.key) && !source.is_pinned(),
    }
}

fn value(value: &Configured) -> Value {
    match value {
        Configured::Bool(_, on) => Value::Bool(*on),
        Configured::String(_, text) => Value::Text(text.clone()),
        Configured::Char(_, one) => Value::Text(one.to_string()),
        Configured::Num(..) => number(value),
        Configured::Empty(..) => Value::Nothing,
        Configured::Array(_, items) => Value::List(items.iter().map(text).collect()),
        // Rows are leaves; what is a table here is one without keys.
        Configured::Dict(_, table) => Value::List(keys(table)),
    }
}

fn number(value: &Configured) -> Value {
    let signed = value.to_i128().and_then(|number| i64::try_from(number).ok());
    let unsigned = value.to_u128().and_then(|number| i64::try_from(number).ok());
    signed.or(unsigned).map_or(Value::Nothing, Value::Number)
}

fn text(value: &Configured) -> String {
    value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned)
}

fn keys(table: &BTreeMap<String, Configured>) -> Vec<String> {
    table.keys().cloned().collect()
}
