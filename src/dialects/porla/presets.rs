//! Presets: listed as in 0.41, and changed as in the later line. They are keys of the configuration,
//! so changes are kept, and made by its rules.
//!
//! 0.41 knows a preset by its name alone; the number that the later line wants follows from it.

use std::collections::BTreeMap;

use crate::dialects::porla::Porla;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::json::Object;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::empty;
use crate::dialects::porla::presets_wire::AddPreset;
use crate::dialects::porla::presets_wire::AddedPreset;
use crate::dialects::porla::presets_wire::OnePreset;
use crate::dialects::porla::presets_wire::Preset;
use crate::dialects::porla::presets_wire::PresetGot;
use crate::dialects::porla::presets_wire::PresetWish;
use crate::dialects::porla::presets_wire::UpdatePreset;
use crate::dialects::porla::presets_wire::WholePreset;
use crate::domain::setting::SourceKind;
use crate::domain::setting::Value;
use crate::service::presets;
use crate::service::presets::DEFAULT;

impl Porla {
    pub(super) async fn presets(&self, _: Params) -> Outcome {
        let presets = self.services.presets.all();
        let shown: BTreeMap<&str, Preset<'_>> =
            presets.iter().map(|(name, preset)| (name.as_str(), shown(preset))).collect();
        answer(&shown)
    }

    pub(super) async fn get_preset(&self, params: Params) -> Outcome {
        let name = self.preset_of(params.read()?)?;
        let all = self.services.presets.all();
        let preset = all.get(&name).ok_or_else(no_preset)?;
        let sessions = self.services.sessions.names();
        let session_id = preset.session.as_ref().and_then(|name| {
            sessions.iter().find(|(_, known)| known == name).map(|(id, _)| i64::from(*id))
        });
        answer(&PresetGot {
            preset: WholePreset {
                category: preset.category.as_deref(),
                download_limit: preset.download_limit,
                id: number(&name),
                is_default: name == DEFAULT,
                max_connections: preset.max_connections,
                max_uploads: preset.max_uploads,
                metadata: Object::default(),
                name: &name,
                save_path: preset.save_path.as_deref(),
                session_id,
                tags: &preset.tags,
                upload_limit: preset.upload_limit,
            },
        })
    }

    pub(super) async fn add_preset(&self, params: Params) -> Outcome {
        let AddPreset { name, mut wish } = params.read()?;
        let id = number(&name);
        if self.services.presets.all().keys().any(|known| number(known) == id) {
            return Err(Failure::of(-1, format!("there is a preset `{name}` already")));
        }
        // A preset that says nothing is one of no tags.
        wish.tags = Some(wish.tags.flatten().or(Some(Vec::new())));
        self.change_preset(&name, wish).await?;
        answer(&AddedPreset { id })
    }

    pub(super) async fn update_preset(&self, params: Params) -> Outcome {
        let UpdatePreset { preset, wish } = params.read()?;
        let new_name = preset.id.and(preset.name.clone());
        let name = self.preset_of(preset)?;
        if new_name.is_some_and(|wish| wish != name) {
            return Err(Failure::of(-1, "a preset keeps its name: add another one"));
        }
        self.change_preset(&name, wish).await?;
        empty()
    }

    /// Removes what was added while the program ran; what stands in the configuration is removed
    /// there.
    pub(super) async fn remove_preset(&self, params: Params) -> Outcome {
        let name = self.preset_of(params.read()?)?;
        let prefix = format!("presets.{name}.");
        let settings = self.services.settings.list();
        let own = settings.iter().filter(|setting| setting.key.starts_with(&prefix));
        let (mut changes, mut is_configured) = (Vec::new(), false);
        for setting in own {
            match setting.source {
                SourceKind::Default => {}
                SourceKind::Changed => changes.push((setting.key.clone(), None)),
                _ => is_configured = true,
            }
        }
        if is_configured {
            return Err(configured(&name));
        }
        self.services.settings.change(changes).await.map_err(Failure::of_setting)?;
        // What was changed of a configured one is taken back, which leaves that.
        match self.services.presets.all().contains_key(&name) {
            true => Err(configured(&name)),
            false => empty(),
        }
    }

    /// The name of the preset that somebody means.
    fn preset_of(&self, wish: OnePreset) -> Result<String, Failure> {
        let all = self.services.presets.all();
        let found = all.keys().find(|name| match (wish.id, &wish.name) {
            (Some(id), _) => number(name) == id,
            (None, wish) => wish.as_ref() == Some(name),
        });
        found.cloned().ok_or_else(no_preset)
    }

    async fn change_preset(&self, name: &str, wish: PresetWish) -> Result<(), Failure> {
        let count = |count: u32| Value::Number(count.into());
        let counts = |wish: Option<Option<u32>>| wish.map(|wish| wish.map(count));
        let texts = |wish: Option<Option<String>>| wish.map(|wish| wish.map(Value::Text));
        let session = wish.session_id.map(|id| id.map(|id| self.session_named(id)).transpose());
        let members = [
            ("category", texts(wish.category)),
            ("download_limit", counts(wish.download_limit)),
            ("max_connections", counts(wish.max_connections)),
            ("max_uploads", counts(wish.max_uploads)),
            ("save_path", texts(wish.save_path)),
            ("session", texts(session.transpose()?)),
            ("tags", wish.tags.map(|tags| tags.map(Value::List))),
            ("upload_limit", counts(wish.upload_limit)),
        ];
        let changes = members.into_iter().filter_map(|(member, value)| {
            value.map(|value| (format!("presets.{name}.{member}"), value))
        });
        self.services.settings.change(changes.collect()).await.map_err(Failure::of_setting)
    }

    pub(super) fn session_named(&self, id: i64) -> Result<String, Failure> {
        let mut sessions = self.services.sessions.names().into_iter();
        let found = sessions.find(|(known, _)| i64::from(*known) == id).map(|(_, name)| name);
        found.ok_or_else(|| Failure::of(-1, "Session not found"))
    }
}

fn configured(name: &str) -> Failure {
    Failure::of(-1, format!("`{name}` stands in the configuration: remove it there"))
}

fn no_preset() -> Failure {
    Failure::of(-1, "Preset not found")
}

/// A preset's number: FNV-1a of its name in 31 bits, the same after every start.
fn number(name: &str) -> i64 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash & 0x7fff_ffff)
}

fn shown(preset: &presets::Preset) -> Preset<'_> {
    Preset {
        hidden: None,
        category: preset.category.as_deref(),
        download_limit: preset.download_limit,
        max_connections: preset.max_connections,
        max_uploads: preset.max_uploads,
        save_path: preset.save_path.as_deref(),
        session: preset.session.as_deref(),
        tags: (!preset.tags.is_empty()).then_some(&*preset.tags),
        upload_limit: preset.upload_limit,
    }
}
