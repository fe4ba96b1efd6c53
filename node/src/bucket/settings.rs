//! The settings of the bucket, and the connection that they make.

use super::{
    AmazonS3, AmazonS3Builder, BackoffConfig, BucketError, CONNECT_WITHIN, ClientOptions,
    FIRST_PAUSE, LONGEST_PAUSE, REQUEST_WITHIN, RETRIES, RETRY_FOR, RetryConfig,
};
use crate::{reference, tls};
use object_store::{Certificate, aws::Checksum};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, path::PathBuf};

/// The base of the pauses: each is longer than the one before by up to this factor.
const PAUSE_GROWS: f64 = 2.0;
/// Days that a lock can be asked for.
const MOST_DAYS: u64 = 36_500;

/// The bucket of recordings and of the archived audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BucketSettings {
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub name: Option<String>,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub endpoint: Option<String>,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub region: String,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub prefix: String,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub access_key: Option<String>,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub secret_key: Option<String>,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub ca_file: Option<PathBuf>,
    /// See [`SETTINGS`](crate::config::SETTINGS).
    pub locked_days: u64,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            name: None,
            endpoint: None,
            region: "us-east-1".to_owned(),
            prefix: "countersign".to_owned(),
            access_key: None,
            secret_key: None,
            ca_file: None,
            locked_days: 0,
        }
    }
}

/// What is wrong with the settings: the setting, and why.
pub(crate) fn check(settings: &BucketSettings) -> Vec<(&'static str, String)> {
    if settings.name.is_none() {
        let unused = *settings != BucketSettings::default();
        let why = "settings of a bucket, and no bucket is named".to_owned();
        return unused.then_some(("recordings.bucket.name", why)).into_iter().collect();
    }
    let mut found = Vec::new();
    if let Some(why) = settings.endpoint.as_deref().and_then(unusable) {
        found.push(("recordings.bucket.endpoint", why));
    }
    if settings.access_key.is_some() != settings.secret_key.is_some() {
        let why = "access_key and secret_key belong together".to_owned();
        found.push(("recordings.bucket.secret_key", why));
    }
    let keys = [
        ("recordings.bucket.access_key", &settings.access_key),
        ("recordings.bucket.secret_key", &settings.secret_key),
    ];
    for (place, reference) in keys {
        if let Some(Err(error)) = reference.as_deref().map(reference::read) {
            found.push((place, error.to_string()));
        }
    }
    if let Err(error) = settings.authority() {
        found.push(("recordings.bucket.ca_file", error.to_string()));
    }
    if settings.locked_days > MOST_DAYS {
        found.push(("recordings.bucket.locked_days", format!("it is from 0 to {MOST_DAYS}")));
    }
    found
}

/// Why an endpoint cannot be used. The archive is not encrypted by us: without TLS it goes no further than this machine.
fn unusable(endpoint: &str) -> Option<String> {
    let url = match Url::parse(endpoint) {
        Ok(url) => url,
        Err(error) => return Some(error.to_string()),
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => None,
        "http" if loopback => None,
        _ => Some("an endpoint is https://…, or http://… on loopback".to_owned()),
    }
}

impl BucketSettings {
    /// The connection; none where no bucket is named.
    pub(super) fn connect(&self) -> Result<Option<AmazonS3>, BucketError> {
        let Some(name) = &self.name else { return Ok(None) };
        tls::install_provider();
        let setting = |error: reference::ReferenceError| BucketError::Settings(error.to_string());
        let plain = self.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let mut client = ClientOptions::new()
            .with_timeout(REQUEST_WITHIN)
            .with_connect_timeout(CONNECT_WITHIN)
            .with_allow_http(plain);
        if let Some(pem) = self.authority()? {
            for certificate in Certificate::from_pem_bundle(&pem)? {
                client = client.with_root_certificate(certificate);
            }
        }
        let backoff = BackoffConfig {
            init_backoff: FIRST_PAUSE,
            max_backoff: LONGEST_PAUSE,
            base: PAUSE_GROWS,
        };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_FOR };
        // Without keys of its own, the variables, files and services that a program in that cloud has them from.
        let mut builder = match (&self.access_key, &self.secret_key) {
            (Some(id), Some(secret)) => AmazonS3Builder::new()
                .with_access_key_id(reference::read(id).map_err(setting)?.as_str())
                .with_secret_access_key(reference::read(secret).map_err(setting)?.as_str()),
            (None, None) => AmazonS3Builder::from_env(),
            (Some(_), None) | (None, Some(_)) => {
                let why = "access_key and secret_key belong together";
                return Err(BucketError::Settings(why.to_owned()));
            }
        };
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let builder = builder
            .with_bucket_name(name)
            .with_region(&self.region)
            // What is locked must have one (S3 User Guide, "Object Lock considerations").
            .with_checksum_algorithm(Checksum::SHA256)
            .with_client_options(client)
            .with_retry(retry);
        Ok(Some(builder.build()?))
    }

    /// The authority of the endpoint's certificate, where it is not one of the system's.
    pub(super) fn authority(&self) -> Result<Option<Vec<u8>>, BucketError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let unreadable = |error: &dyn std::fmt::Display| {
            BucketError::Settings(format!("ca_file {}: {error}", path.display()))
        };
        tls::certificates(path).map_err(|error| unreadable(&error))?;
        std::fs::read(path).map(Some).map_err(|error| unreadable(&error))
    }
}
