//! Where Prometheus is and how it is spoken to, already validated.

use std::{fmt, path::PathBuf, time::Duration};

/// Where Prometheus is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// Its address, `http` or `https`, with any path prefix; credentials do not belong in it.
    pub url: String,
    /// Whom to trust and who to be.
    pub tls: TlsSettings,
    /// What to show.
    pub credentials: Credentials,
    /// The time for one query from the connection to the last byte.
    pub timeout: Duration,
}

impl PrometheusSettings {
    /// Prometheus at `url` with the system's certificates, no credentials and 10 s per query.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: TlsSettings::default(),
            credentials: Credentials::None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Whom to trust and who to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// A PEM file with the only authorities to trust; the system's if absent. Read once.
    pub ca_file: Option<PathBuf>,
    /// Who to be. Read once.
    pub client_certificate: Option<ClientCertificate>,
    /// Trust anybody; for trials only.
    pub insecure: bool,
}

/// A client certificate as two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and its chain.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// What is shown to Prometheus; files are read again for every fetch, so that a rotated secret is seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// This bearer token.
    BearerToken(Secret),
    /// The bearer token in this file.
    BearerTokenFile(PathBuf),
    /// Basic authentication with the password in this file.
    Basic {
        /// Who.
        username: String,
        /// Where the password is.
        password_file: PathBuf,
    },
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
