//! HTTP to Prometheus: one POST, its credentials, and an answer that is bounded in time and size or an error in words.

use std::{error::Error, fmt::Display, path::Path, time::Duration};

use reqwest::{
    Certificate, Client, Identity, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, LOCATION},
    redirect::Policy,
};
use thiserror::Error;

use crate::{
    answer::Refusal,
    question::Question,
    settings::{ClientCertificate, Credentials, PrometheusSettings, TlsSettings},
};

/// The most bytes of an answer that are read.
pub(crate) const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// How long a connection is kept: shorter than a proxy keeps it, as a POST on a dead one is not sent again.
const LONGEST_IDLE: Duration = Duration::from_secs(10);
/// The most characters of somebody else's text that go into an error.
const LONGEST_EXCERPT: usize = 300;

/// Why Prometheus cannot even be asked.
#[derive(Debug, Error)]
pub enum SetupFault {
    /// No address.
    #[error("prometheus' address {0:?} is not a url ({1}): write one such as http://prometheus:9090")]
    Address(String, String),
    /// An address with more than a place in it.
    #[error("prometheus' address must not contain {0}: {1}")]
    Superfluous(&'static str, &'static str),
    /// A certificate or key.
    #[error("cannot use {path} as {purpose} ({reason}): name a readable PEM file")]
    Certificate {
        /// Which file.
        path: String,
        /// What for.
        purpose: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The process has not chosen its cryptography.
    #[error("no cryptography provider is installed: install rustls' ring provider before the first client is made")]
    NoCryptography,
    /// Anything else.
    #[error("cannot set up a client for prometheus: {0}")]
    Client(String),
}

/// Why an answer is missing.
#[derive(Debug, Error)]
pub(crate) enum AskFault {
    #[error("its answer is larger than {} MiB: select fewer series", LARGEST_ANSWER / 1024 / 1024)]
    TooLarge,
    #[error("{0}")]
    Other(String),
}

/// A client for one Prometheus.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    credentials: Credentials,
    timeout: String,
}

/// What is shown with each query of a fetch.
#[derive(Clone)]
pub(crate) enum Authorization {
    None,
    Bearer(String),
    Basic(String, String),
}

impl Http {
    pub(crate) fn new(settings: PrometheusSettings) -> Result<Self, SetupFault> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(SetupFault::NoCryptography);
        }
        let base = base(&settings.url)?;
        let builder = Client::builder()
            .user_agent(concat!("aviary/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            .pool_idle_timeout(LONGEST_IDLE)
            .timeout(settings.timeout)
            .tls_danger_accept_invalid_certs(settings.tls.insecure);
        let builder = match authorities(&settings.tls, &base)? {
            Some(authorities) => builder.tls_certs_only(authorities),
            None => builder,
        };
        let builder = match &settings.tls.client_certificate {
            Some(certificate) => builder.identity(identity(certificate)?),
            None => builder,
        };
        let client = builder.build().map_err(|error| SetupFault::Client(root_cause(&error)))?;
        let timeout = aviary_core::time::humane(settings.timeout);
        Ok(Self { client, base, credentials: settings.credentials, timeout })
    }

    /// Where it is, without credentials.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str()
    }

    /// Reads the credentials as they are now.
    pub(crate) async fn authorization(&self) -> Result<Authorization, String> {
        Ok(match &self.credentials {
            Credentials::None => Authorization::None,
            Credentials::BearerToken(token) => Authorization::Bearer(token.0.clone()),
            Credentials::BearerTokenFile(path) => Authorization::Bearer(secret(path, "bearer token").await?),
            Credentials::Basic { username, password_file } => {
                Authorization::Basic(username.clone(), secret(password_file, "password").await?)
            }
        })
    }

    /// Asks once; the body of a successful answer.
    pub(crate) async fn ask(&self, question: &Question, authorization: &Authorization) -> Result<Vec<u8>, AskFault> {
        let url = self.base.join(question.path).map_err(|error| AskFault::Other(error.to_string()))?;
        let request = authorize(self.client.post(url).form(&question.form), authorization);
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        if status.is_success() && !is_html(&headers) { Ok(body) } else { Err(refused(status, &headers, &body)) }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, AskFault> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(AskFault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unanswered(&self, error: &reqwest::Error) -> AskFault {
        let cause = root_cause(error);
        AskFault::Other(if error.is_timeout() {
            format!("no full answer within {}: is it overloaded, or the query too expensive?", self.timeout)
        } else if cause.contains("invalid peer certificate") {
            format!("its certificate is not trusted ({cause}): name its authority as prometheus.tls.ca")
        } else if cause.contains("received fatal alert") {
            format!("it broke off the handshake ({cause}): check prometheus.tls.certificate and key")
        } else if error.is_connect() {
            format!("cannot connect: {cause}")
        } else {
            format!("its answer broke off: {cause}")
        })
    }
}

/// Checks an address without asking it.
///
/// # Errors
/// It is not a plain `http` or `https` address.
pub fn validate_address(address: &str) -> Result<(), SetupFault> {
    base(address).map(|_| ())
}

fn base(address: &str) -> Result<Url, SetupFault> {
    let fault = |reason: &dyn Display| SetupFault::Address(without_credentials(address), reason.to_string());
    let mut url = Url::parse(address).map_err(|error| fault(&error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(fault(&"neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupFault::Superfluous("credentials", "use bearer-token-file or basic-auth"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetupFault::Superfluous("a query or a fragment", "end it after the path"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// What cannot be parsed may still hold a password before an `@`.
fn without_credentials(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((_, rest)) => format!("...@{rest}"),
        None => address.to_owned(),
    }
}

/// The authorities to trust, unless the system's are meant; plain HTTP needs none, and a bare container has none.
fn authorities(tls: &TlsSettings, base: &Url) -> Result<Option<Vec<Certificate>>, SetupFault> {
    let Some(path) = &tls.ca_file else {
        return Ok((base.scheme() == "http").then(Vec::new));
    };
    let fault = |reason: String| certificate_fault(path, "certificate authority", reason);
    let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| fault(root_cause(&error)))?;
    if authorities.is_empty() { Err(fault("it has no certificate".to_owned())) } else { Ok(Some(authorities)) }
}

fn identity(certificate: &ClientCertificate) -> Result<Identity, SetupFault> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| certificate_fault(path, "client certificate", error.to_string()))
    };
    let mut pem = read(&certificate.certificate_file)?;
    pem.push(b'\n');
    pem.extend(read(&certificate.key_file)?);
    Identity::from_pem(&pem)
        .map_err(|error| certificate_fault(&certificate.certificate_file, "client certificate", root_cause(&error)))
}

fn certificate_fault(path: &Path, purpose: &'static str, reason: String) -> SetupFault {
    SetupFault::Certificate { path: path.display().to_string(), purpose, reason }
}

async fn secret(path: &Path, what: &str) -> Result<String, String> {
    let fault = |reason: String| format!("cannot read the {what} from {} ({reason})", path.display());
    let text = tokio::fs::read_to_string(path).await.map_err(|error| fault(error.to_string()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(fault("the file is empty".to_owned())) } else { Ok(text.to_owned()) }
}

fn authorize(request: RequestBuilder, authorization: &Authorization) -> RequestBuilder {
    match authorization {
        Authorization::None => request,
        Authorization::Bearer(token) => request.bearer_auth(token),
        Authorization::Basic(username, password) => request.basic_auth(username, Some(password)),
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("text/html"))
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> AskFault {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let says = match (serde_json::from_slice::<Refusal>(body), location) {
        (Ok(refusal), _) => excerpt(&refusal.to_string()),
        (_, Some(location)) if status.is_redirection() => {
            format!("it points to {}: put that address into the configuration", without_credentials(&excerpt(location)))
        }
        _ if is_html(headers) => "a web page: is this the address of a Prometheus?".to_owned(),
        _ => excerpt(&String::from_utf8_lossy(body)),
    };
    let remedy = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (check prometheus.bearer-token-file or basic-auth)",
        _ => "",
    };
    AskFault::Other(format!("{status}: {says}{remedy}"))
}

/// The first line of a foreign text, short and printable.
fn excerpt(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(an empty answer)");
    line.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST_EXCERPT).collect()
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
