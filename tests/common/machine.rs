//! What only root can make: small file systems that come and go with a test.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::common::process::find_program;
use crate::common::process::skip;

/// A mounted file system, taken away when dropped.
pub(crate) struct Mount {
    pub(crate) path: PathBuf,
}

impl Mount {
    /// A tmpfs of so many bytes at `path`; `None`, and the test skipped, when that cannot be.
    pub(crate) fn tmpfs(test: &str, path: &Path, bytes: u64) -> Option<Self> {
        if !is_root() {
            skip(test, "root", false);
            return None;
        }
        let options = format!("size={bytes},mode=0755");
        let mount = mount(&["-t", "tmpfs", "-o", &options, "cove-test"], path);
        if mount.is_none() {
            skip(test, "the right to mount a tmpfs", false);
        }
        mount
    }

    /// An ext4 in `image` (made if missing) at `path`; `None`, and the test skipped, when that
    /// cannot be.
    pub(crate) fn ext4(test: &str, image: &Path, path: &Path, bytes: u64) -> Option<Self> {
        if !is_root() {
            skip(test, "root", false);
            return None;
        }
        let Some(mkfs) = find_program("mkfs.ext4") else {
            skip(test, "mkfs.ext4 (e2fsprogs)", true);
            return None;
        };
        if !image.exists() {
            let file = std::fs::File::create(image).expect("an image can be made");
            file.set_len(bytes).expect("an image can be sized");
            let made = run(Command::new(mkfs).args(["-q", "-F"]).arg(image));
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let image = image.to_str().expect("test paths are UTF-8");
        let mount = mount(&["-t", "ext4", "-o", "loop", image], path);
        if mount.is_none() {
            skip(test, "the right to mount a loop device", false);
        }
        mount
    }

    /// Changes the size of a tmpfs.
    pub(crate) fn resize(&self, bytes: u64) {
        self.remount(&format!("size={bytes}"));
    }

    /// Mounts it anew with other options, such as `ro`.
    pub(crate) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = run(Command::new("mount").args(["-o", &options]).arg(&self.path));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Takes it away now; fails when somebody still uses it.
    pub(crate) fn unmount(self) {
        let done = run(Command::new("umount").arg(&self.path));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::mem::forget(self);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.path));
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn mount(arguments: &[&str], path: &Path) -> Option<Mount> {
    std::fs::create_dir_all(path).expect("a directory can be made");
    let done = run(Command::new("mount").args(arguments).arg(path));
    done.status.success().then(|| Mount { path: path.to_owned() })
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Alone with the machine's mounts, until it is dropped. A process in a namespace of its own keeps a
/// copy of every mount that was there when it began, and with it a disk that another test wants to
/// let go.
pub(crate) fn alone_with_mounts() -> MutexGuard<'static, ()> {
    static MOUNTS: Mutex<()> = Mutex::new(());
    MOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}
