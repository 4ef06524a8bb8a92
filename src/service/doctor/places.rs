//! Directories: whether they are there, who may write there, how much fits in.

use std::fs;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Access;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::StatVfs;
use rustix::io::Errno;

use crate::service::doctor::Finding;
use crate::service::doctor::Plan;
use crate::service::doctor::size;

/// Free bytes below which the state is soon, or already, unable to keep a change.
const STATE_BYTES: (u64, u64) = (8 << 20, 128 << 20);
/// Free bytes below which downloads stand still soon, or already.
const ROOT_BYTES: (u64, u64) = (16 << 20, 1 << 30);

/// The account, the state directory, every root.
pub(super) fn all(plan: &Plan) -> Vec<Finding> {
    let mut findings = vec![account()];
    findings.extend(state(&plan.state_dir));
    for root in &plan.roots {
        findings.extend(self::root(root, *root == plan.download_dir));
    }
    findings
}

fn account() -> Finding {
    let uid = rustix::process::geteuid();
    if !uid.is_root() {
        return Finding::fine("account", format!("runs as uid {uid}"));
    }
    Finding::warning("account", "runs as root, which it never needs").mend(
        "run it under an account of its own; contrib/cove.service does, with a directory for it",
    )
}

fn state(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let sentence = format!("`{shown}` is no directory");
            return vec![Finding::fault("state", sentence).mend("choose another `state_dir`")];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return vec![absent_state(path)],
        Err(error) => return vec![unreachable("state", path, &error)],
    }
    let mut findings = vec![writable("state", path)];
    findings.extend(space(path, STATE_BYTES, "changes are refused until there is space"));
    findings
}

/// It is made by the first start, if the nearest directory above lets it.
fn absent_state(path: &Path) -> Finding {
    let above = path.ancestors().skip(1).find(|above| above.is_dir());
    let finding = writable("state", above.unwrap_or(Path::new("/")));
    match finding.mend {
        Some(_) => finding,
        None => {
            let sentence = format!("`{}` is not there; the first start makes it", path.display());
            Finding::fine("state", sentence)
        }
    }
}

fn root(path: &Path, is_made_at_start: bool) -> Vec<Finding> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let sentence = format!("`{shown}` is no directory");
            return vec![Finding::fault("root", sentence).mend("take it out of `client.roots`")];
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return vec![unreachable("root", path, &error)];
        }
        Err(_) if is_made_at_start => {
            let sentence = format!("`{shown}` is not there; a start makes it");
            return vec![Finding::warning("root", sentence).mend(format!("mkdir -p '{shown}'"))];
        }
        Err(_) => {
            let sentence = format!("`{shown}` is not there: its torrents wait for it");
            let mend = "mount its disk, or take it out of `client.roots`";
            return vec![Finding::fault("root", sentence).mend(mend)];
        }
    }
    let mut findings = vec![writable("root", path)];
    findings.extend(space(path, ROOT_BYTES, "downloads stand still until there is space"));
    findings
}

fn unreachable(name: &'static str, path: &Path, error: &io::Error) -> Finding {
    let uid = rustix::process::geteuid();
    let sentence =
        format!("uid {uid} cannot enter `{}`: {}", path.display(), words(error.to_string()));
    let mend = format!(
        "let uid {uid} pass every directory above it (chmod o+x, or setfacl -m \
                        u:{uid}:x)"
    );
    Finding::fault(name, sentence).mend(mend)
}

fn writable(name: &'static str, path: &Path) -> Finding {
    let (shown, uid) = (path.display(), rustix::process::geteuid());
    let Err(error) = try_to_write(path) else {
        return Finding::fine(name, format!("`{shown}` is there, and uid {uid} may write in it"));
    };
    let why = words(io::Error::from(error).to_string());
    if error == Errno::ROFS {
        let sentence = format!("`{shown}` is on a file system that is mounted read-only");
        let mend = "mount it read-write; a disk with errors is mounted so by itself (dmesg)";
        return Finding::fault(name, sentence).mend(mend);
    }
    let owner = fs::metadata(path).map(|found| owned(&found)).unwrap_or_default();
    let sentence = format!("uid {uid} may not write in `{shown}` ({why}){owner}");
    let mend = format!("chown {uid} '{shown}', or setfacl -m u:{uid}:rwx '{shown}'");
    Finding::fault(name, sentence).mend(mend)
}

fn owned(found: &Metadata) -> String {
    let (uid, gid, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
    format!("; it belongs to uid {uid} and gid {gid}, mode {mode:04o}")
}

/// Makes a file without a name, which is gone as soon as it is closed; where there is no such
/// thing, asks whether a file could be made. A full disk is no question of rights.
fn try_to_write(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) | Err(Errno::NOSPC | Errno::DQUOT) => Ok(()),
        Err(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::IO)) => Err(error),
        Err(_) => rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK),
    }
}

fn space(path: &Path, limits: (u64, u64), trouble: &str) -> Option<Finding> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(judge_space(&path.display().to_string(), &found, limits, trouble))
}

fn judge_space(
    shown: &str,
    found: &StatVfs,
    (fault, warning): (u64, u64),
    trouble: &str,
) -> Finding {
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let sentence = format!("{} free in `{shown}`", size(free));
    let mend = "delete something, or use a larger disk";
    match free {
        // File systems without a fixed number of files say 0 of 0.
        _ if found.f_files > 0 && found.f_favail == 0 => {
            let sentence = format!("no more files fit in `{shown}`: {trouble}");
            Finding::fault("space", sentence).mend("delete files; their number is used up")
        }
        free if free < fault => {
            Finding::fault("space", format!("only {sentence}: {trouble}")).mend(mend)
        }
        free if free < warning => Finding::warning("space", format!("only {sentence}")).mend(mend),
        _ => Finding::fine("space", sentence),
    }
}

fn words(text: String) -> String {
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::doctor::Verdict;

    fn found(free: u64, files: (u64, u64)) -> StatVfs {
        let mut found = rustix::fs::statvfs("/").unwrap();
        (found.f_bavail, found.f_frsize) = (free, 1);
        (found.f_files, found.f_favail) = files;
        found
    }

    #[test]
    fn space_is_judged_by_bytes_and_by_files() {
        let judged =
            |free, files| judge_space("x", &found(free, files), (100, 1000), "why").verdict;
        assert_eq!(judged(99, (0, 0)), Verdict::Fault);
        assert_eq!(judged(100, (9, 1)), Verdict::Warning);
        assert_eq!(judged(1000, (0, 0)), Verdict::Fine);
        assert_eq!(judged(1000, (9, 0)), Verdict::Fault);
    }

    #[test]
    fn a_directory_is_there_or_missing_or_none_and_looking_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let verdict = |path: &Path, is_made| root(path, is_made)[0].verdict;
        assert_eq!(verdict(directory.path(), false), Verdict::Fine);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let missing = directory.path().join("a/b");
        assert_eq!(verdict(&missing, false), Verdict::Fault);
        assert_eq!(verdict(&missing, true), Verdict::Warning);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(verdict(&file, true), Verdict::Fault);
        assert_eq!(state(&missing)[0].verdict, Verdict::Fine);
        assert_eq!(state(&file)[0].verdict, Verdict::Fault);
    }
}
