//! The client's configuration in libtorrent's words.

use std::net::SocketAddr;

use crate::app::config::ClientConfig;
use crate::app::config::DiskBackend;
use crate::app::config::Setting;
use crate::app::config::Utp;
use crate::engine::DEFAULT_SESSION_NUMBER;
use crate::engine::SessionConfig;
use crate::engine::settings::SettingValue;

/// The session every torrent lives in unless it asks for another.
pub(crate) const DEFAULT_SESSION: &str = "default";

/// The `default` session; the user's `client.settings` come last and win.
pub(crate) fn default_session(client: &ClientConfig) -> SessionConfig {
    use SettingValue::Bool;
    use SettingValue::Int;
    use SettingValue::Text;
    let limits = &client.limits;
    let number = |value: u32| Int(i64::from(value));
    let unlimited = |value: u32| if value == 0 { Int(-1) } else { Int(i64::from(value)) };
    let mut settings = vec![
        ("listen_interfaces", Text(listen_interfaces(&client.listen))),
        ("enable_dht", Bool(client.dht)),
        ("enable_lsd", Bool(client.lsd)),
        ("enable_upnp", Bool(client.upnp)),
        ("enable_natpmp", Bool(client.natpmp)),
        ("enable_outgoing_utp", Bool(client.utp != Utp::Off)),
        ("enable_incoming_utp", Bool(client.utp != Utp::Off)),
        ("download_rate_limit", number(limits.download_bytes_per_s)),
        ("upload_rate_limit", number(limits.upload_bytes_per_s)),
        ("connections_limit", number(limits.connections)),
        ("unchoke_slots_limit", unlimited(limits.uploads)),
        ("active_downloads", unlimited(limits.active_downloads)),
        ("active_seeds", unlimited(limits.active_seeds)),
        // Seconds until a peer is dialled again, a minute by default: too long for somebody who
        // stopped a torrent and resumes it.
        ("min_reconnect_time", Int(10)),
    ];
    if limits.active > 0 {
        settings.push(("active_limit", number(limits.active)));
    }
    let own = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
    let theirs = client.settings.iter().map(|(name, value)| (name.clone(), value_of(value)));
    SessionConfig {
        number: DEFAULT_SESSION_NUMBER,
        name: DEFAULT_SESSION.to_owned(),
        settings: own.chain(theirs).collect(),
        cove_disk: client.disk == DiskBackend::Cove,
        roots: client.roots.clone(),
        pex: client.pex,
        connections_per_torrent: limits.connections_per_torrent,
        utp_to_lan: client.utp == Utp::On,
    }
}

fn listen_interfaces(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn value_of(setting: &Setting) -> SettingValue {
    match setting {
        Setting::Bool(on) => SettingValue::Bool(*on),
        Setting::Int(number) => SettingValue::Int(*number),
        Setting::Text(text) => SettingValue::Text(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(session: &'a SessionConfig, name: &str) -> Vec<&'a SettingValue> {
        session.settings.iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }

    #[test]
    fn addresses_are_written_as_libtorrent_reads_them() {
        let session = default_session(&ClientConfig::default());
        let wanted = SettingValue::Text("0.0.0.0:46881,[::]:46881".into());
        assert_eq!(find(&session, "listen_interfaces"), [&wanted]);
    }

    #[test]
    fn the_users_own_settings_come_last() {
        let mut client = ClientConfig { dht: true, ..ClientConfig::default() };
        client.settings.insert("enable_dht".into(), Setting::Bool(false));
        let session = default_session(&client);
        assert_eq!(find(&session, "enable_dht").last(), Some(&&SettingValue::Bool(false)));
    }

    #[test]
    fn the_limit_of_each_torrent_is_handed_on() {
        let mut client = ClientConfig::default();
        client.limits.connections_per_torrent = 7;
        assert_eq!(default_session(&client).connections_per_torrent, 7);
    }

    #[test]
    fn no_limit_is_minus_one_where_libtorrent_reads_zero_as_none_at_all() {
        let session = default_session(&ClientConfig::default());
        assert_eq!(find(&session, "active_downloads"), [&SettingValue::Int(-1)]);
        assert_eq!(find(&session, "upload_rate_limit"), [&SettingValue::Int(0)]);
    }
}
