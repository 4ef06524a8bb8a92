//! The JSON of settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::setting::Setting;
use crate::domain::setting::Value;

/// Settings.
#[derive(Serialize, ToSchema)]
pub(super) struct SettingList {
    /// In the order of their keys.
    settings: Vec<SettingBody>,
}

/// One setting.
#[derive(Serialize, ToSchema)]
#[schema(as = Setting)]
pub(super) struct SettingBody {
    /// Its full name.
    key: String,
    /// Its value; null when there is none, `***` for a secret.
    value: Option<ValueBody>,
    /// `default`, `file`, `changed` (while the program ran), `environment` or `command_line`; a
    /// later one wins over those before it.
    source: &'static str,
    /// The same in words: the path of the file, the name of the variable.
    source_detail: String,
    /// Whether PATCH takes it: then it is in force at once.
    can_change: bool,
}

/// What a setting can hold.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SettingValue)]
pub(super) enum ValueBody {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
}

/// Values by key; null takes a change back.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(super) struct SettingsPatch(pub(super) BTreeMap<String, Option<ValueBody>>);

impl SettingList {
    pub(super) fn of(settings: &[Setting]) -> Self {
        Self { settings: settings.iter().map(SettingBody::of).collect() }
    }
}

impl SettingBody {
    pub(super) fn of(setting: &Setting) -> Self {
        let value = match &setting.value {
            Value::Nothing => None,
            Value::Bool(on) => Some(ValueBody::Bool(*on)),
            Value::Number(number) => Some(ValueBody::Number(*number)),
            Value::Text(text) => Some(ValueBody::Text(text.clone())),
            Value::List(items) => Some(ValueBody::List(items.clone())),
        };
        Self {
            key: setting.key.clone(),
            value,
            source: setting.source.name(),
            source_detail: setting.source_detail.clone(),
            can_change: setting.can_change,
        }
    }
}

impl SettingsPatch {
    /// What is to be changed.
    pub(super) fn into_wishes(self) -> Vec<(String, Option<Value>)> {
        let value = |body| match body {
            ValueBody::Bool(on) => Value::Bool(on),
            ValueBody::Number(number) => Value::Number(number),
            ValueBody::Text(text) => Value::Text(text),
            ValueBody::List(items) => Value::List(items),
        };
        self.0.into_iter().map(|(key, body)| (key, body.map(value))).collect()
    }
}
