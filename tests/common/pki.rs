//! An authority that only the test knows, and a certificate of its for `localhost`.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;
use ureq::Agent;
use ureq::tls::Certificate;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

use crate::common::app::Home;

/// The name of every authority here: strangers differ by their keys only.
pub(crate) const AUTHORITY: &str = "authority of the test";

/// An authority, and what it signed for `localhost`.
pub(crate) struct Pki {
    /// As PEM.
    pub(crate) authority: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pki {
    /// Writes the certificate and its key into `home`.
    pub(crate) fn new(home: &Home) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, AUTHORITY);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
        // Names the authority's key, as public ones do: there are more of its name.
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        let file = |name: &str, text: String| {
            let path = home.outer.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        let certificate = file("certificate.pem", leaf.pem());
        let key = file("key.pem", key.serialize_pem());
        Self { authority: authority.pem(), certificate, key }
    }

    /// The same home with TLS on all listeners.
    pub(crate) fn on(&self, home: Home) -> Home {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        home.set("tracker.http.bind", "127.0.0.1:0")
            .set("api.tls.certificate", &certificate)
            .set("api.tls.key", &key)
            .set("tracker.http.tls.certificate", certificate)
            .set("tracker.http.tls.key", key)
    }

    /// A client that trusts this authority only.
    pub(crate) fn agent(&self) -> Agent {
        let root = Certificate::from_pem(self.authority.as_bytes()).unwrap();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(vec![root])));
        let config = Agent::config_builder().tls_config(tls.build());
        config
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into()
    }
}
