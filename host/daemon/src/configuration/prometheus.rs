//! `prometheus:` validated.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use aviary_metrics::{ClientCertificate, Credentials, PrometheusSettings, TlsSettings, validate_address};

use super::{
    fault::Faults,
    fields::Placed,
    raw::{Prometheus, Tls},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Validates the section; relative paths start at `folder`.
pub fn settings(raw: Placed<Prometheus>, folder: &Path, faults: &mut Faults) -> Option<PrometheusSettings> {
    let credentials = credentials(&raw, folder, faults);
    let tls = raw.value.tls.map(|tls| tls_settings(tls, folder, faults)).unwrap_or_default();
    let url = raw.value.url?;
    if let Err(fault) = validate_address(&url.value) {
        url.fault(faults, fault.to_string());
    }
    if url.value.starts_with("http:") && tls != TlsSettings::default() {
        url.fault(faults, "is plain http, but tls is configured: write https, or remove tls");
    }
    let timeout = raw.value.timeout.map_or(Some(TIMEOUT), |timeout| {
        let accepted = (Duration::from_millis(100)..=Duration::from_secs(300)).contains(&timeout.value);
        timeout.accept(accepted, faults, "is out of bounds: choose one from 100ms to 5m")
    });
    Some(PrometheusSettings { url: url.value, tls, credentials, timeout: timeout? })
}

fn credentials(raw: &Placed<Prometheus>, folder: &Path, faults: &mut Faults) -> Credentials {
    match (&raw.value.bearer_token_file, &raw.value.basic_auth) {
        (Some(_), Some(_)) => {
            raw.fault(faults, "has both bearer-token-file and basic-auth: remove one of them");
            Credentials::None
        }
        (Some(file), None) => Credentials::BearerTokenFile(folder.join(&file.value)),
        (None, Some(basic)) => match (&basic.username, &basic.password_file) {
            (Some(username), Some(file)) => {
                Credentials::Basic { username: username.clone(), password_file: folder.join(file) }
            }
            _ => Credentials::None,
        },
        (None, None) => Credentials::None,
    }
}

fn tls_settings(raw: Placed<Tls>, folder: &Path, faults: &mut Faults) -> TlsSettings {
    let insecure = raw.value.insecure.unwrap_or(false);
    if insecure && raw.value.ca.is_some() {
        raw.fault(faults, "has both ca and insecure: remove one of them");
    }
    if raw.value.certificate.is_some() != raw.value.key.is_some() {
        raw.fault(faults, "has only one of certificate and key: a client needs both, as two PEM files");
    }
    let absolute = |path: PathBuf| folder.join(path);
    let client_certificate = raw.value.certificate.zip(raw.value.key).map(|(certificate, key)| ClientCertificate {
        certificate_file: absolute(certificate),
        key_file: absolute(key),
    });
    TlsSettings { ca_file: raw.value.ca.map(absolute), client_certificate, insecure }
}
