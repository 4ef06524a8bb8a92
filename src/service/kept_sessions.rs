//! Sessions that were added while the program ran, as they are kept and as they are started.

use std::collections::BTreeMap;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::domain::setting::Value;
use crate::engine;
use crate::engine::SessionConfig;
use crate::engine::settings::SettingValue;
use crate::store::SessionRecord;
use crate::store::Store;

/// Between two settings that are kept; none holds it.
const SEPARATOR: char = '\u{1f}';
/// Where a session listens, in libtorrent's words.
const LISTEN: &str = "listen_interfaces";
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// Longest text of a setting, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// A session that was added while the program ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Its number, which no other session had.
    pub number: u32,
    /// Its name, by which torrents name it.
    pub name: String,
    /// libtorrent settings over those of the configuration.
    pub settings: BTreeMap<String, SettingValue>,
}

/// The sessions that were added in earlier runs. One whose settings libtorrent does not take any
/// more is left out and logged: it must not keep the program from starting.
///
/// # Errors
/// Those of the store.
pub async fn kept(store: &Store, base: &SessionConfig) -> Result<Vec<KeptSession>> {
    let mut sessions = Vec::new();
    for SessionRecord { number, name, settings } in store.sessions().await? {
        let session = KeptSession { number, name, settings: decode(&settings) };
        match engine::settings::prepare(&[config_of(base, &session)]) {
            Ok(_) => sessions.push(session),
            Err(error) => {
                let (session, error) = (&session.name, error.message());
                tracing::error!(session, error, "a session cannot be started and is left out");
            }
        }
    }
    Ok(sessions)
}

/// How a session is started: as the default one, which is `base`, but for what is its own.
pub fn config_of(base: &SessionConfig, session: &KeptSession) -> SessionConfig {
    let listen = base.settings.iter().rfind(|(name, _)| name == LISTEN);
    let elsewhere = listen.map_or(String::new(), |(_, value)| any_port(value));
    let listen = (LISTEN.to_owned(), SettingValue::Text(elsewhere));
    let own = session.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
    SessionConfig {
        number: session.number,
        name: session.name.clone(),
        settings: base.settings.iter().cloned().chain([listen]).chain(own).collect(),
        ..base.clone()
    }
}

/// Whether a session has an address to listen at.
pub(super) fn is_to_listen(config: &SessionConfig) -> bool {
    let listen = config.settings.iter().rfind(|(name, _)| name == LISTEN);
    listen.is_some_and(|(_, value)| *value != SettingValue::Text(String::new()))
}

/// The same addresses, at ports that the system chooses.
fn any_port(interfaces: &SettingValue) -> String {
    let SettingValue::Text(text) = interfaces else { return String::new() };
    let each = text.split(',').filter_map(|interface| interface.rsplit_once(':'));
    each.map(|(address, _)| format!("{address}:0")).collect::<Vec<_>>().join(",")
}

/// A name that a session may have: it stands in paths, labels and lists.
///
/// # Errors
/// Invalid.
pub(super) fn checked_name(name: &str) -> Result<()> {
    let is_odd = |c: char| c.is_control() || c == '/';
    if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.contains(is_odd) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the name of a session has 1 to {NAME_CHARS_MAX} characters and neither `/` nor control \
         characters"
    )))
}

/// Settings that can be kept; whether libtorrent takes them is another question.
///
/// # Errors
/// Invalid.
pub(super) fn checked_settings(settings: &BTreeMap<String, SettingValue>) -> Result<()> {
    for (name, value) in settings {
        let SettingValue::Text(text) = value else { continue };
        if text.len() > VALUE_BYTES_MAX || text.contains(char::is_control) {
            return Err(Error::invalid(format!(
                "the text of `{name}` is longer than {VALUE_BYTES_MAX} bytes or has control \
                 characters"
            )));
        }
    }
    Ok(())
}

/// As it is kept: each setting with its name, as the configuration's changes are.
pub(super) fn encode(settings: &BTreeMap<String, SettingValue>) -> Result<String> {
    let one = |(name, value): (&String, &SettingValue)| {
        let value = match value {
            SettingValue::Text(text) => Value::Text(text.clone()),
            SettingValue::Int(number) => Value::Number(*number),
            SettingValue::Bool(on) => Value::Bool(*on),
        };
        Ok(format!("{name}={}", value.to_kept()?))
    };
    let all = settings.iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(all.join(&SEPARATOR.to_string()))
}

fn decode(kept: &str) -> BTreeMap<String, SettingValue> {
    let one = |setting: &str| {
        let (name, value) = setting.split_once('=')?;
        let value = match Value::from_kept(value)? {
            Value::Text(text) => SettingValue::Text(text),
            Value::Number(number) => SettingValue::Int(number),
            Value::Bool(on) => SettingValue::Bool(on),
            Value::Nothing | Value::List(_) => return None,
        };
        Some((name.to_owned(), value))
    };
    kept.split(SEPARATOR).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SettingValue {
        SettingValue::Text(text.into())
    }

    fn settings(each: &[(&str, SettingValue)]) -> BTreeMap<String, SettingValue> {
        each.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn settings_are_read_back_as_they_were() {
        for all in [
            settings(&[]),
            settings(&[
                ("a", text("x=\"y\",true")),
                ("b", SettingValue::Int(-7)),
                ("c", SettingValue::Bool(true)),
                ("d", text("")),
            ]),
        ] {
            checked_settings(&all).unwrap();
            assert_eq!(decode(&encode(&all).unwrap()), all);
        }
        for odd in ["a\u{1f}b", "a\nb"] {
            assert!(checked_settings(&settings(&[("a", text(odd))])).is_err());
        }
        assert!(
            ["", "a/b", "a\nb", &"x".repeat(65)].iter().all(|name| checked_name(name).is_err())
        );
        checked_name("schnell & gut").unwrap();
    }

    #[test]
    fn a_session_is_as_configured_but_listens_elsewhere() {
        let base = SessionConfig {
            number: 1,
            name: "default".into(),
            settings: vec![
                ("proxy_hostname".into(), text("proxy.example")),
                (LISTEN.into(), text("127.0.0.1:7000,[::1]:7000")),
            ],
            cove_disk: true,
            roots: Vec::new(),
            pex: false,
            connections_per_torrent: 7,
            utp_to_lan: false,
        };
        let last = |own: &[(&str, SettingValue)], name: &str| {
            let session = KeptSession { number: 2, name: "b".into(), settings: settings(own) };
            let made = config_of(&base, &session);
            assert_eq!((made.number, &*made.name, made.pex), (2, "b", false));
            made.settings.iter().rfind(|(other, _)| other == name).unwrap().1.clone()
        };
        assert_eq!(last(&[], "proxy_hostname"), text("proxy.example"));
        assert_eq!(last(&[], LISTEN), text("127.0.0.1:0,[::1]:0"));
        assert_eq!(last(&[(LISTEN, text("0.0.0.0:7001"))], LISTEN), text("0.0.0.0:7001"));
    }
}
