//! Whether the bucket locks what is put into it: an object's version must be locked for as long as is asked for, deleting it
//! must be refused, and it must be there afterwards. What it says of its settings is not asked.
//!
//! The lock itself is the bucket's, by its default retention: no request of ours could set, or leave out, more than that.

use super::{AmazonS3, BucketError, CONNECT_WITHIN, REQUEST_WITHIN, within};
use bytes::Bytes;
use jiff::{Span, Timestamp};
use object_store::{
    GetOptions, ObjectStore as _,
    path::Path,
    signer::{Method, SignedUrlOptions, Signer as _},
};
use reqwest::{Certificate, Client, Response, StatusCode, redirect::Policy};
use std::{sync::Arc, time::Duration};

/// How long a signed request counts.
const SIGNED_FOR: Duration = Duration::from_mins(1);
/// How much shorter than asked for a lock may be, for clocks that differ.
const LEEWAY_HOURS: i64 = 1;
/// The one kind of lock that nobody can take away (S3 User Guide, "Retention modes").
const MODE: &str = "COMPLIANCE";

/// Why the lock does not hold.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Objects have no versions: what is deleted is gone.
    #[error("it keeps no versions")]
    Unversioned,
    /// The object is not locked, or not in the way that nobody can undo.
    #[error("an object that was put is not locked in mode {MODE}; it has {0}")]
    Mode(String),
    /// It is locked for too short a time.
    #[error("an object that was put is locked until {until} only, and must be for {days} days")]
    Short {
        /// Until when.
        until: String,
        /// What is asked for.
        days: u64,
    },
    /// The version was deleted, or its deletion was answered in a way that says nothing.
    #[error("deleting a locked version was answered with {0}")]
    Deleted(StatusCode),
    /// The version is gone though its deletion was refused.
    #[error("a locked version is gone")]
    Gone,
    /// The request could not be made.
    #[error("the lock cannot be tried")]
    Request(#[from] reqwest::Error),
}

/// A lock that is asked for.
#[derive(Debug)]
pub(super) struct Lock {
    s3: Arc<AmazonS3>,
    days: u64,
    client: Client,
}

impl Lock {
    pub(super) fn new(
        s3: Arc<AmazonS3>,
        days: u64,
        authority: Option<Vec<u8>>,
    ) -> Result<Self, BucketError> {
        let mut client = Client::builder()
            .redirect(Policy::none())
            .timeout(REQUEST_WITHIN)
            .connect_timeout(CONNECT_WITHIN);
        if let Some(pem) = authority {
            for certificate in Certificate::from_pem_bundle(&pem).map_err(LockError::Request)? {
                client = client.add_root_certificate(certificate);
            }
        }
        Ok(Self { s3, days, client: client.build().map_err(LockError::Request)? })
    }

    /// Whether the object at `path`, which was just put, is locked, and stays when it is deleted.
    pub(super) async fn holds(&self, path: &Path, bytes: &Bytes) -> Result<(), BucketError> {
        let head = GetOptions { head: true, ..GetOptions::default() };
        let put = within(self.s3.get_opts(path, head)).await?;
        let version = put.meta.version.filter(|version| version != "null");
        let version = version.ok_or(LockError::Unversioned)?;
        self.is_locked(&self.ask(Method::HEAD, path, &version).await?)?;
        let answer = self.ask(Method::DELETE, path, &version).await?.status();
        if answer != StatusCode::FORBIDDEN {
            return Err(LockError::Deleted(answer).into());
        }
        let again = GetOptions { version: Some(version), ..GetOptions::default() };
        let kept = within(async { self.s3.get_opts(path, again).await?.bytes().await }).await?;
        if kept == *bytes { Ok(()) } else { Err(LockError::Gone.into()) }
    }

    /// Whether the answer says of an object that it is locked for long enough.
    fn is_locked(&self, answer: &Response) -> Result<(), LockError> {
        let header = |name| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("none").to_owned()
        };
        let (mode, until) =
            (header("x-amz-object-lock-mode"), header("x-amz-object-lock-retain-until-date"));
        if mode != MODE {
            return Err(LockError::Mode(mode));
        }
        let hours = i64::try_from(self.days).unwrap_or(i64::MAX).saturating_mul(24) - LEEWAY_HOURS;
        let span = Span::new().try_hours(hours).ok();
        let least = span.and_then(|span| Timestamp::now().checked_add(span).ok());
        match (until.parse::<Timestamp>(), least) {
            (Ok(locked), Some(least)) if locked >= least => Ok(()),
            _ => Err(LockError::Short { until, days: self.days }),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &Path,
        version: &str,
    ) -> Result<Response, BucketError> {
        let options = SignedUrlOptions::new().with_query([("versionId", version)]);
        let url =
            within(self.s3.signed_url_opts(method.clone(), path, SIGNED_FOR, &options)).await?;
        let request = self.client.request(method, url);
        Ok(request.send().await.map_err(|error| LockError::Request(error.without_url()))?)
    }
}
