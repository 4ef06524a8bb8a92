//! What the system allows, and what the library can do.

use std::fs;

use rustix::process::Resource;

use crate::service::doctor::Finding;
use crate::service::doctor::Plan;

/// What later versions of libtorrent have: the first version, and what it brought.
const NEWER: [((u32, u32, u32), &str); 2] = [
    ((2, 0, 11), "lists of peers and trackers without waiting, about a tenth more speed"),
    ((2, 1, 0), "peers in browsers (WebTorrent)"),
];

/// Descriptors, and the kernel's watches.
pub(super) fn limits(plan: &Plan) -> Vec<Finding> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // A start raises the one to the other.
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    vec![descriptors(allowed, plan.descriptors), inotify()]
}

fn descriptors(allowed: u64, wanted: u64) -> Finding {
    if allowed >= wanted {
        let sentence = format!("{wanted} descriptors may be needed, which the system allows");
        return Finding::fine("descriptors", sentence);
    }
    let sentence = format!(
        "only {allowed} descriptors are allowed, while {wanted} may be needed when every \
         connection is taken"
    );
    Finding::warning("descriptors", sentence)
        .mend("raise LimitNOFILE= of the unit or `ulimit -Hn`, or lower the limits of connections")
}

fn inotify() -> Finding {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    match (read("max_user_watches"), read("max_user_instances")) {
        (Some(watches), Some(instances)) => {
            let sentence = format!(
                "{watches} watches and {instances} instances an account; none is needed, since \
                 shared folders are looked at now and then"
            );
            Finding::fine("inotify", sentence)
        }
        _ => Finding::unknown("inotify", "the system does not tell; none is needed"),
    }
}

/// The library's version, and what it lacks.
pub(super) fn libtorrent(version: &str) -> Finding {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    let own = (part(), part(), part());
    let lacks = NEWER.iter().filter(|(since, _)| own < *since);
    let lacks: Vec<String> = lacks
        .map(|((major, minor, patch), what)| format!("{major}.{minor}.{patch} has {what}"))
        .collect();
    let sentence = match lacks.is_empty() {
        true => format!("version {version}, which lacks nothing known"),
        false => format!("version {version} does all that is needed; {}", lacks.join("; ")),
    };
    Finding::fine("libtorrent", sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::doctor::Verdict;

    #[test]
    fn too_few_descriptors_are_a_warning() {
        assert_eq!(descriptors(1024, 1024).verdict, Verdict::Fine);
        assert_eq!(descriptors(1023, 1024).verdict, Verdict::Warning);
    }

    #[test]
    fn an_old_library_is_told_what_it_lacks() {
        let lacks = |version: &str| libtorrent(version).sentence.matches(" has ").count();
        assert_eq!([lacks("2.0.8.0"), lacks("2.0.11.0"), lacks("2.1.1.0")], [2, 1, 0]);
    }
}
