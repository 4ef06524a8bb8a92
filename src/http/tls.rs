//! TLS for a listener, with a certificate from the disk (rule W12).
//!
//! TLS 1.2 and 1.3, which is all that rustls has. The files are read once, at the start.

use std::fmt;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::server::TlsStream;

use crate::domain::error::Error;
use crate::domain::error::Result;

/// Far above any chain of certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a listener's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain in PEM, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM; nobody but the owner of the file may read it.
    pub key: PathBuf,
}

/// A certificate that was read and fits its key; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// Invalid, naming the file and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self> {
        let TlsFiles { certificate, key } = files;
        let chain = certificates(certificate)?;
        let private = private_key(key)?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = config.map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            Error::invalid(format!("cannot use `{certificate}` with the key `{key}`: {error}"))
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The server's part of the handshake.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(socket).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The certificates in a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = File::open(path).and_then(read).map_err(|error| unusable(path, &error))?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<std::result::Result<Vec<_>, _>>();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(unusable(path, &"there is no certificate in PEM in it")),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The error leaves the parser's words out, so that no part of a key gets into a log (rule W11).
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let file = File::open(path).map_err(|error| unusable(path, &error))?;
    let mode = file.metadata().map_err(|error| unusable(path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let shown = path.display();
        return Err(Error::invalid(format!(
            "others may read the private key `{shown}` (mode {:04o}): run chmod 600 on it",
            mode & 0o7777
        )));
    }
    let text = read(file).map_err(|error| unusable(path, &error))?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| unusable(path, &"there is no private key in PEM in it"))
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unusable(path: &Path, why: &dyn fmt::Display) -> Error {
    Error::invalid(format!("cannot use the TLS file `{}`: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;

    use super::*;

    /// A certificate and its key in a directory; the key is ours alone.
    fn files(dir: &Path) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles { certificate: dir.join("c.pem"), key: dir.join("k.pem") };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
        files
    }

    fn refusal(files: &TlsFiles) -> String {
        Tls::load(files).unwrap_err().message().to_owned()
    }

    /// Rule W12.
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        assert!(Tls::load(&files).is_ok());
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&files.key, Permissions::from_mode(mode)).unwrap();
            assert!(refusal(&files).contains("chmod 600"), "{mode:o}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let (ours, theirs) = (files(one.path()), files(other.path()));
        let mixed = TlsFiles { key: theirs.key, ..ours.clone() };
        assert!(refusal(&mixed).contains("cannot use"), "{}", refusal(&mixed));
        let missing = TlsFiles { certificate: one.path().join("none.pem"), ..ours.clone() };
        assert!(refusal(&missing).contains("none.pem"));
        let swapped = TlsFiles { certificate: ours.key.clone(), ..ours.clone() };
        assert!(refusal(&swapped).contains("no certificate"), "{}", refusal(&swapped));
        fs::write(&ours.key, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END").unwrap();
        let broken = refusal(&ours);
        assert!(broken.contains("no private key") && !broken.contains("c2VjcmV0"), "{broken}");
    }
}
