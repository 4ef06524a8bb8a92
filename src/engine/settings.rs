//! libtorrent settings by name: the engine's own defaults, and the user's over them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::engine::SessionConfig;
use crate::engine::actor::Actor;
use crate::engine::ffi::bridge;
use crate::engine::ffi::bridge::Setting;
use crate::engine::ffi::bridge::SettingKind;
use crate::engine::prepared::refused;

/// A value as the user wrote it; libtorrent knows three types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// Text, such as `listen_interfaces`.
    Text(String),
    /// A whole number; its unit is libtorrent's.
    Int(i64),
    /// On or off.
    Bool(bool),
}

/// A session whose settings are checked.
pub(crate) struct PreparedSession {
    pub(crate) number: u32,
    pub(crate) name: Arc<str>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) cove_disk: bool,
    pub(crate) roots: Vec<String>,
    pub(crate) pex: bool,
    pub(crate) connections_per_torrent: u32,
    pub(crate) utp_to_lan: bool,
}

/// What differs from libtorrent's own defaults, and why; measured where a figure is named.
fn own_defaults() -> Vec<(&'static str, SettingValue)> {
    use SettingValue::Bool;
    use SettingValue::Int;
    use SettingValue::Text;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = i64::try_from(cores).unwrap_or(1);
    vec![
        ("user_agent", Text(format!("Cove/{}", env!("CARGO_PKG_VERSION")))),
        // Azureus style: CV, then four digits of the version.
        ("peer_fingerprint", Text("-CV0100-".into())),
        // The default of 2,000 drops alerts with a few thousand torrents.
        ("alert_queue_size", Int(200_000)),
        // One hashing thread checks at half the speed of two cores.
        ("hashing_threads", Int(cores)),
        ("aio_threads", Int(cores.max(2))),
        // 0 = always_pwrite, and no file is small enough to map: mapped files count as memory,
        // and a truncated one raises SIGBUS.
        ("disk_write_mode", Int(0)),
        ("mmap_file_size_cutoff", Int(i64::from(i32::MAX))),
        // Another port in place of a taken one would be a silent surprise (rule D13).
        ("listen_system_port_fallback", Bool(false)),
        ("max_retry_port_bind", Int(0)),
        // Rule F4, for metadata from peers: 10 MiB.
        ("max_metadata_size", Int(10 << 20)),
        // Bound of rule D16.
        ("stop_tracker_timeout", Int(3)),
        // Rule F7.
        ("ssrf_mitigation", Bool(true)),
        ("validate_https_trackers", Bool(true)),
        ("allow_idna", Bool(false)),
        // A household has one address: a peer on the NAS and one beside it are two peers.
        ("allow_multiple_connections_per_ip", Bool(true)),
        // Everything runs unless the user limits it; the figures of libtorrent are for a laptop.
        ("active_downloads", Int(-1)),
        ("active_seeds", Int(-1)),
        ("active_checking", Int(cores)),
        ("active_limit", Int(100_000)),
        ("active_tracker_limit", Int(-1)),
        ("active_dht_limit", Int(500)),
        ("active_lsd_limit", Int(500)),
        ("dont_count_slow_torrents", Bool(true)),
        ("rate_limit_ip_overhead", Bool(false)),
        ("connections_limit", Int(500)),
        // Larger runs per system call: CPU per GiB counts on a NAS.
        ("send_buffer_watermark", Int(1 << 20)),
        ("send_buffer_low_watermark", Int(128 << 10)),
        ("send_buffer_watermark_factor", Int(100)),
        ("max_allowed_in_request_queue", Int(2000)),
    ]
}

/// Checks every session's settings against what libtorrent knows.
pub(crate) fn prepare(sessions: &[SessionConfig]) -> Result<Vec<PreparedSession>> {
    let known = known()?;
    sessions.iter().map(|session| prepare_one(session, &known)).collect()
}

/// Every setting of libtorrent, with its default.
pub(crate) fn known() -> Result<Vec<Setting>> {
    bridge::known_settings().map_err(refused)
}

pub(crate) fn prepare_one(session: &SessionConfig, known: &[Setting]) -> Result<PreparedSession> {
    let mut merged = BTreeMap::new();
    for (name, value) in own_defaults() {
        // Older and newer libtorrents lack some; what is a default of ours may be absent.
        if let Ok(setting) = check(name, &value, known) {
            merged.insert(name.to_owned(), setting);
        }
    }
    for (name, value) in &session.settings {
        merged.insert(name.clone(), check(name, value, known)?);
    }
    Ok(PreparedSession {
        number: session.number,
        name: session.name.as_str().into(),
        settings: merged.into_values().collect(),
        cove_disk: session.cove_disk,
        roots: session.roots.iter().map(|root| text_of(root)).collect::<Result<_>>()?,
        pex: session.pex,
        connections_per_torrent: session.connections_per_torrent,
        utp_to_lan: session.utp_to_lan,
    })
}

fn text_of(root: &Path) -> Result<String> {
    let text = root.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::invalid(format!("the root `{}` is not UTF-8", root.display())))
}

impl Actor {
    /// Gives a session other settings than it has, those that differ.
    pub(crate) fn configure(&mut self, wish: PreparedSession) -> Result<()> {
        let slot = self.slots.named_mut(&wish.name)?;
        let changed = changed(&slot.settings, &wish.settings)?;
        slot.session.pin_mut().apply_settings(&changed).map_err(refused)?;
        if changed.iter().any(|setting| setting.name == "listen_interfaces") {
            self.board.note_port(slot.number, None);
        }
        slot.settings = wish.settings;
        slot.connections_per_torrent = count_or_any(wish.connections_per_torrent);
        Ok(())
    }
}

/// A count for libtorrent, whose word for "any number" is -1; ours is 0. It counts to 2^24.
pub(crate) fn count_or_any(count: u32) -> i32 {
    i32::try_from(count).ok().filter(|count| (1..1 << 24).contains(count)).unwrap_or(-1)
}

/// Those of `after` that are not so `before`, and libtorrent's default for those that are gone.
pub(crate) fn changed(before: &[Setting], after: &[Setting]) -> Result<Vec<Setting>> {
    let is_in = |setting: &Setting, all: &[Setting]| all.iter().any(|one| is_same(one, setting));
    let mut changed: Vec<_> = after.iter().filter(|one| !is_in(one, before)).cloned().collect();
    let is_named = |name: &str| after.iter().any(|one| one.name == name);
    let known = known()?;
    let gone = before.iter().filter(|one| !is_named(&one.name));
    changed.extend(gone.filter_map(|gone| known.iter().find(|one| one.name == gone.name)).cloned());
    Ok(changed)
}

fn is_same(a: &Setting, b: &Setting) -> bool {
    a.name == b.name && a.number == b.number && a.text == b.text
}

fn check(name: &str, value: &SettingValue, known: &[Setting]) -> Result<Setting> {
    if name == "alert_mask" {
        return Err(Error::invalid("setting `alert_mask` belongs to the program"));
    }
    let Some(setting) = known.iter().find(|setting| setting.name == name) else {
        return Err(Error::invalid(unknown(name, known)));
    };
    let mut setting = setting.clone();
    match (setting.kind, value) {
        (SettingKind::Text, SettingValue::Text(text)) => setting.text.clone_from(text),
        (SettingKind::Int, SettingValue::Int(number)) => {
            setting.number = i64::from(i32::try_from(*number).map_err(|_| {
                Error::invalid(format!("setting `{name}` is {number}, out of 32-bit range"))
            })?);
        }
        (SettingKind::Bool, SettingValue::Bool(on)) => setting.number = i64::from(*on),
        (kind, _) => {
            let wanted = match kind {
                SettingKind::Text => "text",
                SettingKind::Int => "a whole number",
                _ => "true or false",
            };
            return Err(Error::invalid(format!("setting `{name}` must be {wanted}")));
        }
    }
    Ok(setting)
}

fn unknown(name: &str, known: &[Setting]) -> String {
    let near = known
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(name, &setting.name), &setting.name))
        .min();
    match near {
        Some((_, near)) => {
            format!("libtorrent has no setting `{name}`; the nearest name is `{near}`")
        }
        None => format!("libtorrent has no setting `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str, value: SettingValue) -> Vec<SessionConfig> {
        let settings = vec![(name.to_owned(), value)];
        vec![SessionConfig {
            number: 1,
            name: "default".into(),
            settings,
            cove_disk: true,
            roots: Vec::new(),
            pex: true,
            connections_per_torrent: 0,
            utp_to_lan: false,
        }]
    }

    fn refusal(name: &str, value: SettingValue) -> String {
        prepare(&session(name, value)).err().map(|error| error.message().to_owned()).unwrap()
    }

    #[test]
    fn an_unknown_setting_names_the_nearest_one() {
        let text = refusal("conections_limit", SettingValue::Int(1));
        assert!(text.contains("`connections_limit`"), "{text}");
    }

    #[test]
    fn a_wrong_type_says_what_is_wanted() {
        assert!(refusal("enable_dht", SettingValue::Int(1)).contains("true or false"));
        assert!(refusal("user_agent", SettingValue::Bool(true)).contains("text"));
        assert!(refusal("aio_threads", SettingValue::Int(1 << 40)).contains("32-bit"));
    }

    #[test]
    fn what_changed_is_told_and_what_is_gone_gets_its_default() {
        let known = bridge::known_settings().unwrap();
        let with = |number: &[(&str, i64)]| {
            let setting = |(name, number): &(&str, i64)| {
                check(name, &SettingValue::Int(*number), &known).unwrap()
            };
            number.iter().map(setting).collect::<Vec<_>>()
        };
        let before = with(&[("connections_limit", 7), ("upload_rate_limit", 5)]);
        let after = with(&[("connections_limit", 7), ("download_rate_limit", 9)]);
        let changed = changed(&before, &after).unwrap();
        let told: Vec<_> = changed.iter().map(|one| (one.name.as_str(), one.number)).collect();
        assert_eq!(told, [("download_rate_limit", 9), ("upload_rate_limit", 0)]);
    }

    #[test]
    fn the_programs_own_setting_is_refused() {
        assert!(refusal("alert_mask", SettingValue::Int(1)).contains("belongs to the program"));
    }

    #[test]
    fn the_users_value_wins_over_ours() {
        let prepared = prepare(&session("stop_tracker_timeout", SettingValue::Int(7))).unwrap();
        let found = prepared[0].settings.iter().find(|s| s.name == "stop_tracker_timeout");
        assert_eq!(found.map(|setting| setting.number), Some(7));
    }
}
