//! The directories of the configuration: where they are by default, and what may lie where.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::app::config::Config;
use crate::app::config_sources::Environment;
use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::service::paths::SYSTEM_DIRECTORIES;

/// The state directory when nobody names one, and the variable it came from if it is the service
/// manager's. `None` when there is no home either.
pub(crate) fn default_state_dir(
    environment: &Environment,
) -> (Option<PathBuf>, Option<&'static str>) {
    const SERVICE: &str = "STATE_DIRECTORY";
    // systemd lists several directories with colons between them; the first is ours.
    let listed = environment.variables.get(SERVICE).map(OsString::as_os_str).unwrap_or_default();
    let first = listed.as_bytes().split(|byte| *byte == b':').next().unwrap_or_default();
    let first = Path::new(OsStr::from_bytes(first));
    if first.is_absolute() {
        return (Some(first.to_path_buf()), Some(SERVICE));
    }
    let home = || Some(environment.absolute_path("HOME")?.join(".local/share"));
    let data = environment.absolute_path("XDG_DATA_HOME").or_else(home);
    (data.map(|data| data.join("cove")), None)
}

/// Where downloads go when nobody says.
pub(crate) fn default_download_dir(environment: &Environment, state_dir: Option<&Path>) -> PathBuf {
    let beside = || {
        let mut path = state_dir.unwrap_or(Path::new("/var/lib/cove")).as_os_str().to_owned();
        path.push("-downloads");
        PathBuf::from(path)
    };
    let home = || Some(environment.absolute_path("HOME")?.join("Downloads"));
    environment.absolute_path("XDG_DOWNLOAD_DIR").or_else(home).unwrap_or_else(beside)
}

/// `text` as an absolute path, from `base` when it is relative; symlinks stay as they are.
///
/// # Errors
/// A sentence, when the text cannot be meant as a path.
pub(crate) fn absolute(text: &str, base: &Path) -> std::result::Result<String, String> {
    if text.is_empty() {
        return Err("expected a path, and it is empty".into());
    }
    if text.contains('\0') {
        return Err("a path cannot contain NUL".into());
    }
    if text == "~" || text.starts_with("~/") {
        return Err("`~` is not expanded: write the home directory out".into());
    }
    let path = std::path::absolute(base.join(text)).map_err(|error| error.to_string())?;
    path.into_os_string().into_string().map_err(|_| "expected a path in UTF-8".into())
}

/// Checks that downloads lie under a root, and that no root gives torrents the state or the
/// configuration (rule F1).
pub(crate) fn check(config: &Config, file: Option<&Path>) -> Result<()> {
    let state_dir = real("state_dir", &config.state_dir)?;
    let config_dir =
        file.and_then(Path::parent).map(|directory| real("--config", directory)).transpose()?;
    let roots = config
        .client
        .roots
        .iter()
        .map(|root| real("client.roots", root))
        .collect::<Result<Vec<_>>>()?;
    for root in &roots {
        let shown = root.display();
        if root.parent().is_none() {
            return Err(Error::invalid("`client.roots`: `/` cannot be a root"));
        }
        if SYSTEM_DIRECTORIES.iter().any(|system| root.starts_with(system)) {
            return Err(Error::invalid(format!(
                "`client.roots`: `{shown}` belongs to the system, where torrents never write"
            )));
        }
        if root.starts_with(&state_dir) {
            return Err(Error::invalid(format!(
                "`client.roots`: `{shown}` lies in the state directory, where torrents never write"
            )));
        }
        if config_dir.as_ref() == Some(root) {
            return Err(Error::invalid(format!(
                "`client.roots`: `{shown}` holds the configuration file, so it cannot be a root"
            )));
        }
    }
    let download_dir = real("client.download_dir", &config.client.download_dir)?;
    if !roots.iter().any(|root| download_dir.starts_with(root)) {
        let shown = config.client.download_dir.display();
        return Err(Error::invalid(format!(
            "`client.download_dir`: `{shown}` is not under one of `client.roots`"
        )));
    }
    Ok(())
}

/// See [`Loaded::forbidden_paths`](crate::app::config::Loaded::forbidden_paths).
pub(crate) fn forbidden(config: &Config, file: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = vec![config.state_dir.clone()];
    let Some((file, directory)) = file.and_then(|file| Some((file, file.parent()?))) else {
        return paths;
    };
    let holds_root = |directory: &Path| {
        let is_inside = |root: &PathBuf| {
            real("client.roots", root).is_ok_and(|root| root.starts_with(directory))
        };
        config.client.roots.iter().any(is_inside)
    };
    let is_shared = real("--config", directory).is_ok_and(|directory| holds_root(&directory));
    paths.push(if is_shared { file.to_path_buf() } else { directory.to_path_buf() });
    paths
}

/// The path with all symlinks resolved that exist; what does not exist yet is kept as written.
/// `key` is for the message.
fn real(key: &str, path: &Path) -> Result<PathBuf> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        if let Ok(found) = at.canonicalize() {
            return Ok(missing.iter().rev().fold(found, |path, part| path.join(part)));
        }
        match (at.components().next_back(), at.parent()) {
            (Some(Component::Normal(part)), Some(parent)) => {
                missing.push(part.to_owned());
                at = parent;
            }
            _ => {
                let shown = path.display();
                return Err(Error::invalid(format!(
                    "`{key}`: `{shown}` leads through a directory that is not there; write it \
                     without `..`"
                )));
            }
        }
    }
}
