//! The table of methods: their names, the scope that each needs, and who answers.

use std::future::Future;
use std::pin::Pin;

use crate::dialects::porla::Porla;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::domain::token::Scope;

/// What a method does.
type Run = for<'a> fn(&'a Porla, Params) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// One method.
pub(super) struct Method {
    name: &'static str,
    /// What the caller's token has to grant.
    pub(super) needed: Scope,
    /// What it does.
    pub(super) run: Run,
}

/// The method of this name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

const fn read(name: &'static str, run: Run) -> Method {
    Method { name, needed: Scope::Read, run }
}

const fn change(name: &'static str, run: Run) -> Method {
    Method { name, needed: Scope::Client, run }
}

const fn manage(name: &'static str, run: Run) -> Method {
    Method { name, needed: Scope::Admin, run }
}

const METHODS: &[Method] = &[
    change("torrents.add", |porla, params| Box::pin(porla.add(params))),
    read("torrents.count", |porla, params| Box::pin(porla.count(params))),
    read("torrents.files.list", |porla, params| Box::pin(porla.files(params))),
    change("torrents.files.prioritize", |porla, params| Box::pin(porla.prioritize(params))),
    read("torrents.files.priorities", |porla, params| Box::pin(porla.priorities(params))),
    read("torrents.files.progress", |porla, params| Box::pin(porla.file_progress(params))),
    change("torrents.files.rename", |porla, params| Box::pin(porla.rename(params))),
    read("torrents.get", |porla, params| Box::pin(porla.get(params))),
    read("torrents.list", |porla, params| Box::pin(porla.list(params))),
    read("torrents.metadata.list", |porla, params| Box::pin(porla.metadata(params))),
    change("torrents.move", |porla, params| Box::pin(porla.move_files(params))),
    change("torrents.migrate", |porla, params| Box::pin(porla.migrate(params))),
    read("torrents.overview", |porla, params| Box::pin(porla.overview(params))),
    change("torrents.pause", |porla, params| Box::pin(porla.pause(params))),
    change("torrents.peers.add", |porla, params| Box::pin(porla.add_peers(params))),
    read("torrents.peers.list", |porla, params| Box::pin(porla.peers(params))),
    read("torrents.pieces.get", |porla, params| Box::pin(porla.pieces(params))),
    read("torrents.properties.get", |porla, params| Box::pin(porla.properties(params))),
    change("torrents.properties.set", |porla, params| Box::pin(porla.set_properties(params))),
    change("torrents.queue.bottom", |porla, params| Box::pin(porla.queue_bottom(params))),
    change("torrents.queue.down", |porla, params| Box::pin(porla.queue_down(params))),
    change("torrents.queue.set", |porla, params| Box::pin(porla.queue_set(params))),
    change("torrents.queue.top", |porla, params| Box::pin(porla.queue_top(params))),
    change("torrents.queue.up", |porla, params| Box::pin(porla.queue_up(params))),
    change("torrents.recheck", |porla, params| Box::pin(porla.recheck(params))),
    change("torrents.remove", |porla, params| Box::pin(porla.remove(params))),
    change("torrents.resume", |porla, params| Box::pin(porla.resume(params))),
    change("torrents.trackers.add", |porla, params| Box::pin(porla.add_tracker(params))),
    read("torrents.trackers.list", |porla, params| Box::pin(porla.trackers(params))),
    manage("auth.init", |porla, params| Box::pin(porla.auth_init(params))),
    manage("auth.keys.create", |porla, params| Box::pin(porla.create_key(params))),
    manage("auth.keys.list", |porla, params| Box::pin(porla.list_keys(params))),
    manage("auth.keys.remove", |porla, params| Box::pin(porla.remove_key(params))),
    read("auth.login", |porla, params| Box::pin(porla.auth_login(params))),
    manage("sessions.add", |porla, params| Box::pin(porla.add_session(params))),
    read("sessions.get", |porla, params| Box::pin(porla.get_session(params))),
    read("sessions.list", |porla, params| Box::pin(porla.sessions(params))),
    change("sessions.pause", |porla, params| Box::pin(porla.pause_session(params))),
    manage("sessions.remove", |porla, params| Box::pin(porla.remove_session(params))),
    change("sessions.resume", |porla, params| Box::pin(porla.resume_session(params))),
    read("sessions.settings.get", |porla, params| Box::pin(porla.get_settings(params))),
    read("sessions.settings.list", |porla, params| Box::pin(porla.settings(params))),
    manage("sessions.settings.set", |porla, params| Box::pin(porla.set_settings(params))),
    manage("sessions.update", |porla, params| Box::pin(porla.update_session(params))),
    manage("presets.add", |porla, params| Box::pin(porla.add_preset(params))),
    read("presets.get", |porla, params| Box::pin(porla.get_preset(params))),
    read("presets.list", |porla, params| Box::pin(porla.presets(params))),
    manage("presets.remove", |porla, params| Box::pin(porla.remove_preset(params))),
    manage("presets.update", |porla, params| Box::pin(porla.update_preset(params))),
    read("fs.space", |porla, params| Box::pin(porla.space(params))),
    read("mmdb.lookup", |porla, params| Box::pin(porla.lookup(params))),
    read("sys.status", |porla, params| Box::pin(porla.status(params))),
    read("sys.versions", |porla, params| Box::pin(porla.versions(params))),
    read("kv.get", |porla, params| Box::pin(porla.kv_get(params))),
    change("kv.set", |porla, params| Box::pin(porla.kv_set(params))),
    read("plugins.list", |porla, params| Box::pin(porla.plugins(params))),
    read("plugins.get", |porla, params| Box::pin(porla.no_plugin(params))),
    manage("plugins.add", |porla, params| Box::pin(porla.add_plugin(params))),
    manage("plugins.configure", |porla, params| Box::pin(porla.no_plugin(params))),
    manage("plugins.install", |porla, params| Box::pin(porla.install_plugin(params))),
    manage("plugins.reload", |porla, params| Box::pin(porla.no_plugin(params))),
    manage("plugins.remove", |porla, params| Box::pin(porla.remove_plugin(params))),
    manage("plugins.uninstall", |porla, params| Box::pin(porla.no_plugin(params))),
    manage("plugins.update", |porla, params| Box::pin(porla.update_plugin(params))),
    manage("webui.install", |porla, params| Box::pin(porla.install_webui(params))),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 6: what 0.41 has, and no later line.
    #[test]
    fn every_method_of_0_41_is_there() {
        let torrents = [
            "add",
            "list",
            "remove",
            "pause",
            "resume",
            "recheck",
            "move",
            "files.list",
            "peers.list",
            "peers.add",
            "properties.get",
            "properties.set",
            "metadata.list",
            "trackers.list",
            "overview",
        ];
        let sessions = ["list", "pause", "resume", "settings.list"];
        let plugins = ["list", "get", "install", "configure", "reload", "uninstall", "update"];
        let others = ["presets.list", "fs.space", "sys.versions", "webui.install"];
        let of = |group: &str, names: &[&str]| -> Vec<String> {
            names.iter().map(|name| format!("{group}.{name}")).collect()
        };
        let all = [of("torrents", &torrents), of("sessions", &sessions), of("plugins", &plugins)];
        let names = all.concat().into_iter().chain(others.map(str::to_owned));
        let missing: Vec<String> = names.filter(|name| find(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_name_is_there_once_and_whoever_only_looks_changes_nothing() {
        for (place, method) in METHODS.iter().enumerate() {
            assert!(METHODS[..place].iter().all(|other| other.name != method.name));
            let end = method.name.rsplit('.').next().unwrap_or_default();
            let looks = [
                "list",
                "get",
                "count",
                "overview",
                "versions",
                "space",
                "priorities",
                "progress",
                "status",
                "lookup",
                "login",
            ];
            // What keys there are is not for everybody.
            let is_secret = method.name == "auth.keys.list";
            let is_read = looks.contains(&end) && !is_secret;
            assert_eq!(method.needed == Scope::Read, is_read, "{}", method.name);
        }
        assert!(find("torrents.list").is_some() && find("torrents").is_none());
    }
}
