//! The state directory: ours alone, used by one process at a time.
//!
//! Holds the lock, the database, the token and, while the server runs, `api.json`, by which the
//! command line finds it. Also here: the few things that a process asks of its kernel at start.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use rustix::fs::FlockOperation;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::flock;
use rustix::process::Resource;
use rustix::process::Rlimit;

use crate::domain::error::Error;
use crate::domain::error::Result;

/// How long to wait for the lock: a look by the command line holds it for an instant, a process
/// that is just ending a little longer. Well below the second of rule D12.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// Between two attempts at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Descriptors that the soft limit is raised to, as far as the hard limit allows. More helps
/// nobody: the client's and the server's own limits are far lower.
const DESCRIPTORS_WANTED: u64 = 65_536;

const LOCK_FILE: &str = "lock";
const API_FILE: &str = "api.json";
const TOKEN_FILE: &str = "api-token";
const DATABASE_FILE: &str = "state.db";

/// What a directory may hold and still be plainly a state directory.
const OUR_FILES: [&str; 5] = [LOCK_FILE, API_FILE, TOKEN_FILE, DATABASE_FILE, "cove.toml"];

/// The state directory, held by this process until the value is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// The kernel frees the lock with the descriptor, so also on kill -9.
    _lock: File,
}

/// Where everything listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// By which a program on this machine reaches the API.
    pub url: String,
    /// Where peers reach us; 0 when nowhere.
    pub peer_port: u16,
    /// Where announces are taken over HTTP.
    pub tracker_http: Vec<SocketAddr>,
    /// Where announces are taken over UDP.
    pub tracker_udp: Vec<SocketAddr>,
}

/// Why the state directory cannot be used.
#[derive(Debug)]
pub enum StateDirError {
    /// Another process holds it; its pid as far as the lock file tells.
    Held {
        /// The state directory.
        path: PathBuf,
        /// The holder.
        pid: Option<u32>,
    },
    /// It cannot be made, entered or protected; the sentence names it.
    Unusable(String),
}

impl StateDir {
    /// Makes the directory (mode 0700) if need be and takes its lock.
    ///
    /// # Errors
    /// [`StateDirError`]; `Held` within a second (rule D12).
    pub fn open(path: &Path) -> std::result::Result<Self, StateDirError> {
        let unusable = |error: &dyn std::fmt::Display| {
            let shown = path.display();
            StateDirError::Unusable(format!("cannot use the state directory `{shown}`: {error}"))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| unusable(&e))?;
        close_to_others(path).map_err(|error| unusable(&error))?;
        let mut lock = open_lock(path).map_err(|error| unusable(&error))?;
        let pause = || std::thread::sleep(LOCK_PAUSE);
        if !take(&lock, pause).map_err(|error| unusable(&error))? {
            return Err(StateDirError::Held { path: path.into(), pid: read_pid(&mut lock) });
        }
        write_pid(&mut lock).map_err(|error| unusable(&error))?;
        let state_dir = Self { path: path.into(), _lock: lock };
        // Left by a process that was killed; whoever reads it would talk to nobody.
        state_dir.retract_api().map_err(|error| unusable(&error))?;
        Ok(state_dir)
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the database.
    pub fn database_path(&self) -> PathBuf {
        database_path(&self.path)
    }

    /// The file of the generated token (rule W2).
    pub fn token_path(&self) -> PathBuf {
        token_path(&self.path)
    }

    /// Tells the command line who listens where, by `api.json`; call it once all do.
    ///
    /// # Errors
    /// Internal, when the file cannot be written.
    pub fn announce(&self, addresses: &Addresses) -> Result<()> {
        let Addresses { url, peer_port, tracker_http, tracker_udp } = addresses;
        let texts = |addresses: &[SocketAddr]| -> Vec<String> {
            addresses.iter().map(ToString::to_string).collect()
        };
        let (tracker_http, tracker_udp) = (texts(tracker_http), texts(tracker_udp));
        let (path, pid) = (api_path(&self.path), std::process::id());
        let fresh = path.with_extension("json.new");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            write!(file, "{{\"url\":{url:?},\"pid\":{pid},\"peer_port\":{peer_port},")?;
            write!(file, "\"tracker_http\":{tracker_http:?},")?;
            writeln!(file, "\"tracker_udp\":{tracker_udp:?}}}")?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|error| Error::internal(format!("cannot write `{API_FILE}`: {error}")))
    }

    /// Takes `api.json` away again; for a clean stop. Fine when it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn retract_api(&self) -> io::Result<()> {
        match fs::remove_file(api_path(&self.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl std::fmt::Display for StateDirError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held { path, pid: Some(pid) } => {
                write!(
                    f,
                    "process {pid} works on the state directory `{}`; stop it, or give another \
                     with `--state-dir`",
                    path.display()
                )
            }
            Self::Held { path, pid: None } => {
                write!(
                    f,
                    "another process works on the state directory `{}`; stop it, or give another \
                     with `--state-dir`",
                    path.display()
                )
            }
            Self::Unusable(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for StateDirError {}

/// Where the running server of a state directory tells its address.
pub fn api_path(state_dir: &Path) -> PathBuf {
    state_dir.join(API_FILE)
}

/// Where a state directory keeps the database.
pub fn database_path(state_dir: &Path) -> PathBuf {
    state_dir.join(DATABASE_FILE)
}

/// Where a state directory keeps its generated token.
pub fn token_path(state_dir: &Path) -> PathBuf {
    state_dir.join(TOKEN_FILE)
}

/// Whether a process holds `state_dir` now.
pub fn is_held(state_dir: &Path) -> bool {
    let Ok(lock) = File::open(state_dir.join(LOCK_FILE)) else {
        return false;
    };
    matches!(
        flock(&lock, FlockOperation::NonBlockingLockShared),
        Err(rustix::io::Errno::WOULDBLOCK)
    )
}

/// The URL by which a program on this machine reaches a server on `addresses`; loopback is
/// preferred. `None` without an address.
pub fn local_url(scheme: &str, addresses: &[SocketAddr]) -> Option<String> {
    let reachable = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => *address,
    };
    let nearest = addresses.iter().map(reachable).min_by_key(|at| !at.ip().is_loopback())?;
    Some(format!("{scheme}://{nearest}"))
}

/// From now on, payload files get the permissions that the user's `client.umask` leaves. The state
/// stays closed: its directory is 0700 and SQLite gives its side files the mode of the database.
pub fn set_payload_umask(umask: u32) {
    rustix::process::umask(Mode::from_bits_truncate(umask));
}

/// From now on, files that this process makes are closed to other users unless it says otherwise
/// (rule W2). Call it before any thread starts.
pub fn protect_new_files() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the soft limit of open descriptors towards the hard one (rule D18); returns what it is
/// now. Never lowers it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let wanted = DESCRIPTORS_WANTED.min(limit.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return current;
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

/// What the kernel calls this run of the machine; changes with every boot (rule D3).
///
/// # Errors
/// Internal, when the kernel does not tell.
pub fn boot_id() -> Result<String> {
    const FILE: &str = "/proc/sys/kernel/random/boot_id";
    let unknown = |why: String| Error::internal(format!("cannot read the boot id: {why}"));
    let text = fs::read_to_string(FILE).map_err(|error| unknown(error.to_string()))?;
    match text.trim() {
        "" => Err(unknown("it is empty".into())),
        id => Ok(id.into()),
    }
}

/// Makes a directory that others may enter private, if it is plainly ours.
///
/// A directory with other things in it, such as a home or `/tmp`, is left as it is and refused:
/// closing it could lock out programs that have nothing to do with us.
fn close_to_others(path: &Path) -> std::result::Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mode = fs::metadata(path).map_err(text)?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(text)? {
        let name = entry.map_err(text)?.file_name();
        if !OUR_FILES.iter().any(|ours| name == *ours) {
            return Err(format!(
                "others may enter it (mode {mode:04o}) and it holds other files: choose another \
                 directory, or run chmod 700 on it"
            ));
        }
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(text)
}

fn open_lock(path: &Path) -> io::Result<File> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path.join(LOCK_FILE))
}

/// Takes the exclusive lock, with `pause` between attempts; false when somebody else keeps it.
fn take(lock: &File, mut pause: impl FnMut()) -> io::Result<bool> {
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < give_up => {
                pause();
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    /// Rules W2 and D12: made private; the second comer learns the first one's pid in a second.
    #[test]
    fn d12_a_second_process_is_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/state");
        let first = StateDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(LOCK_FILE)), 0o600);
        assert!(is_held(&path));

        // Locks belong to the open file, so a second opening in one process competes as well.
        let begin = Instant::now();
        let error = StateDir::open(&path).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert!(error.to_string().contains(&format!("process {} works", std::process::id())));

        drop(first);
        assert!(!is_held(&path));
        StateDir::open(&path).unwrap();
    }

    /// The command line looks at the lock while a server starts: the server must still get it.
    #[test]
    fn d12_a_passing_look_at_the_lock_does_not_stop_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let look = open_lock(dir.path()).unwrap();
        flock(&look, FlockOperation::NonBlockingLockShared).unwrap();
        let mut look = Some(look);
        let lock = open_lock(dir.path()).unwrap();
        assert!(take(&lock, || drop(look.take())).unwrap());
        assert!(look.is_none(), "the look was in the way");
    }

    #[test]
    fn w2_an_open_directory_is_closed_only_if_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        open(dir.path());
        drop(StateDir::open(dir.path()).unwrap());
        assert_eq!(mode(dir.path()), 0o700);

        let foreign = tempfile::tempdir().unwrap();
        fs::write(foreign.path().join("letter"), "").unwrap();
        open(foreign.path());
        let error = StateDir::open(foreign.path()).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        assert_eq!(mode(foreign.path()), 0o755);
    }

    #[test]
    fn the_api_file_lives_as_long_as_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = StateDir::open(dir.path()).unwrap();
        let addresses = Addresses {
            url: "http://127.0.0.1:7".into(),
            peer_port: 9,
            tracker_http: vec!["127.0.0.1:6".parse().unwrap(), "[::1]:6".parse().unwrap()],
            tracker_udp: vec!["127.0.0.1:8".parse().unwrap()],
        };
        state_dir.announce(&addresses).unwrap();
        let text = fs::read_to_string(api_path(dir.path())).unwrap();
        let pid = std::process::id();
        assert_eq!(
            text,
            format!(
                "{{\"url\":\"http://127.0.0.1:7\",\"pid\":{pid},\"peer_port\":9,\
                 \"tracker_http\":[\"127.0.0.1:6\", \"[::1]:6\"],\
                 \"tracker_udp\":[\"127.0.0.1:8\"]}}\n"
            )
        );
        assert_eq!(mode(&api_path(dir.path())), 0o600);

        drop(state_dir);
        let state_dir = StateDir::open(dir.path()).unwrap();
        assert!(!api_path(dir.path()).exists(), "what a killed process left is taken away");
        state_dir.retract_api().unwrap();
    }

    #[test]
    fn a_wildcard_address_is_reached_over_loopback() {
        let url = |texts: &[&str]| {
            let parsed: Vec<SocketAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            local_url("http", &parsed)
        };
        assert_eq!(url(&["0.0.0.0:80"]).unwrap(), "http://127.0.0.1:80");
        assert_eq!(url(&["192.0.2.1:80", "[::]:81"]).unwrap(), "http://[::1]:81");
        assert_eq!(url(&["192.0.2.1:80"]).unwrap(), "http://192.0.2.1:80");
        assert_eq!(url(&[]), None);
    }

    #[test]
    fn d18_the_descriptor_limit_only_grows() {
        let before = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(raise_descriptor_limit() >= before);
    }

    #[test]
    fn d3_the_boot_id_is_the_same_twice() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }
}
