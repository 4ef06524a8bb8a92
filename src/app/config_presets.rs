//! What the keys of sections `presets.NAME` hold. The names of presets are the user's, so the
//! defaults do not show it.

use figment::value::Value;

/// What the key of a preset holds, by an example; `None` for an unknown key.
pub(crate) fn example(name: &str) -> Option<Value> {
    match name {
        "category" | "save_path" | "session" => Some(Value::from("")),
        "download_limit" | "max_connections" | "max_uploads" | "upload_limit" => {
            Some(Value::from(0_u32))
        }
        "tags" => Some(Value::from(Vec::<String>::new())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::presets::Preset;

    #[test]
    fn every_member_of_a_preset_is_known() {
        let preset = Value::serialize(Preset::default()).unwrap();
        for name in preset.as_dict().unwrap().keys() {
            assert!(example(name).is_some(), "{name}");
        }
        assert!(example("name").is_none());
    }
}
