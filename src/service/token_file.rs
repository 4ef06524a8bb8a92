//! The generated admin token: 256 random bits in a file that only its owner reads (rule W2).

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::domain::error::Error;
use crate::domain::error::Result;
use crate::service::secret;

/// The token in `path`; made there at the first start.
///
/// # Errors
/// Forbidden, when others may read the file; Internal, when it cannot be read or written.
pub fn read_or_make(path: &Path) -> Result<String> {
    match fs::metadata(path) {
        Ok(metadata) => read(path, metadata.mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(failed(path, "read", &error)),
    }
}

fn read(path: &Path, mode: u32) -> Result<String> {
    let shown = path.display();
    if mode & 0o077 != 0 {
        return Err(Error::forbidden(format!(
            "others may read the token file `{shown}`: run `chmod 600 {shown}`, or delete it and \
             a new token is made"
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(path, "read", &error))?;
    match text.trim() {
        "" => Err(Error::invalid(format!("the token file `{shown}` is empty: delete it"))),
        token => Ok(token.to_owned()),
    }
}

fn make(path: &Path) -> Result<String> {
    let token = secret::new_token()?;
    write(path, &token).map_err(|error| failed(path, "write", &error))?;
    Ok(token)
}

/// All of it or nothing, also when the power fails: written aside, synced, renamed.
fn write(path: &Path, token: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Error {
    Error::internal(format!("cannot {what} the token file `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Rule W2.
    #[test]
    fn the_token_is_made_once_and_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-token");
        let token = read_or_make(&path).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(read_or_make(&path).unwrap(), token);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(read_or_make(&other.path().join("api-token")).unwrap(), token);
    }

    /// Rule W2.
    #[test]
    fn a_file_that_others_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-token");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read_or_make(&path).unwrap_err();
        assert!(refused.message().contains("chmod 600"), "{refused}");
        assert!(!refused.message().contains("secret"), "{refused}");
    }
}
