//! The cluster's bucket: a store that speaks S3, for segments of recordings and for the archived audit. Objects lie under a
//! prefix of the cluster's own, and are written once. What they mean is said elsewhere.
//!
//! An object's name has the digest of its bytes: there is no other content that could be put over it, whether or not the bucket
//! keeps to conditions. Nothing that a bucket says of itself is believed: what was put is read back before anybody counts on it, and whether it
//! keeps what it must keep is tried before the first object (`lock`).

mod lock;
mod settings;

pub(crate) use lock::LockError;
pub(crate) use settings::{BucketSettings, check};

use bytes::Bytes;
use futures::StreamExt as _;
use lock::Lock;
use object_store::{
    BackoffConfig, ClientOptions, Error as StoreError, GetOptions, ObjectStore,
    ObjectStoreExt as _, PutMode, PutOptions, RetryConfig, WriteMultipart,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OnceCell, time::timeout};

/// How long one attempt of one request may take.
const REQUEST_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How often a request is tried again, and for how long in all.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(20);
/// The pauses between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long an object may take as a whole, whatever the bucket does meanwhile.
const OBJECT_WITHIN: Duration = Duration::from_mins(1);
/// What is longer is sent in parts of this size, so that what fails is not sent again as a whole.
const PART: usize = 8 * 1024 * 1024;
/// Parts that are on their way at a time.
const PARTS_AT_A_TIME: usize = 4;

/// Why the bucket does not do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// A setting cannot be used.
    #[error("recordings.bucket: {0}")]
    Settings(String),
    /// It refuses, or cannot be reached.
    #[error("the bucket fails")]
    Failed(#[from] StoreError),
    /// It does not answer.
    #[error("the bucket has not answered in {} s", OBJECT_WITHIN.as_secs())]
    Late,
    /// It has something else than what was put, or nothing.
    #[error("the bucket has taken {name}, and does not give the same back")]
    Lies {
        /// The object.
        name: String,
    },
    /// An object is longer than it can be.
    #[error("{name} in the bucket has {size} bytes, and has at most {most}")]
    TooLong {
        /// The object.
        name: String,
        /// Its length.
        size: u64,
        /// The longest that it can be.
        most: u64,
    },
    /// It does not keep what it must keep.
    #[error("the bucket does not lock what is put into it")]
    Lock(#[from] LockError),
}

/// The bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What must be tried before the first object is put.
    lock: Option<Arc<Lock>>,
    tried: Arc<OnceCell<()>>,
}

impl Bucket {
    /// The bucket that the settings name; none where they name none. `cluster` is the cluster's own part of the prefix.
    pub(crate) fn open(
        settings: &BucketSettings,
        cluster: &str,
    ) -> Result<Option<Self>, BucketError> {
        let Some(s3) = settings.connect()? else { return Ok(None) };
        let prefix = [settings.prefix.trim_matches('/'), cluster].join("/");
        let prefix = Path::parse(prefix.trim_start_matches('/'))
            .map_err(|error| BucketError::Settings(format!("prefix: {error}")))?;
        let s3 = Arc::new(s3);
        let lock = match settings.locked_days {
            0 => None,
            days => Some(Arc::new(Lock::new(Arc::clone(&s3), days, settings.authority()?)?)),
        };
        Ok(Some(Self { objects: s3, prefix, lock, tried: Arc::default() }))
    }

    /// A bucket over any store, for tests.
    #[cfg(test)]
    pub(crate) fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, prefix: Path::from("test"), lock: None, tried: Arc::default() }
    }

    /// Tries whether the bucket takes, gives and keeps what it must. Tried until it was found so once.
    pub(crate) async fn try_out(&self) -> Result<(), BucketError> {
        let tried = self.tried.get_or_try_init(async || {
            let path = self.path(&format!("probe/{}", hex::encode(rand::random::<[u8; 16]>())));
            let bytes = Bytes::from_static(b"what is put here is kept\n");
            self.put_once(&path, &bytes).await?;
            match &self.lock {
                Some(lock) => Ok(lock.holds(&path, &bytes).await?),
                None => Ok(within(self.objects.delete(&path)).await?),
            }
        });
        tried.await.copied()
    }

    /// Puts an object; it can be read there when this returns.
    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BucketError> {
        self.try_out().await?;
        self.put_once(&self.path(name), &bytes).await
    }

    async fn put_once(&self, path: &Path, bytes: &Bytes) -> Result<(), BucketError> {
        match self.send(path, bytes, PutMode::Create).await {
            // It may have been put before, by this node or another one. Whether it is the same is seen below.
            Ok(()) | Err(BucketError::Failed(StoreError::AlreadyExists { .. })) => {}
            Err(error) => return Err(error),
        }
        if self.has(path, bytes).await? {
            return Ok(());
        }
        // Damaged there, or never written: what is right goes over it.
        self.send(path, bytes, PutMode::Overwrite).await?;
        if self.has(path, bytes).await? {
            Ok(())
        } else {
            Err(BucketError::Lies { name: path.to_string() })
        }
    }

    async fn send(&self, path: &Path, bytes: &Bytes, mode: PutMode) -> Result<(), BucketError> {
        if bytes.len() <= PART {
            let options = PutOptions::from(mode);
            return within(self.objects.put_opts(path, bytes.clone().into(), options))
                .await
                .map(drop);
        }
        within(async {
            let upload = self.objects.put_multipart(path).await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
            for part in bytes.chunks(PART) {
                parts.wait_for_capacity(PARTS_AT_A_TIME).await?;
                parts.put(bytes.slice_ref(part));
            }
            parts.finish().await.map(drop)
        })
        .await
    }

    async fn has(&self, path: &Path, bytes: &Bytes) -> Result<bool, BucketError> {
        match self.read(path, bytes.len() as u64).await {
            Ok(found) => Ok(found.as_ref() == Some(bytes)),
            Err(BucketError::TooLong { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An object of at most so many bytes; none where there is none. Its bytes are whatever the bucket gives.
    pub(crate) async fn get(&self, name: &str, most: u64) -> Result<Option<Bytes>, BucketError> {
        self.read(&self.path(name), most).await
    }

    /// Whether there is an object of this name and length. Its bytes are not asked for.
    pub(crate) async fn lists(&self, name: &str, size: u64) -> Result<bool, BucketError> {
        let head = GetOptions { head: true, ..GetOptions::default() };
        match within(self.objects.get_opts(&self.path(name), head)).await {
            Ok(found) => Ok(found.meta.size == size),
            Err(BucketError::Failed(StoreError::NotFound { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, path: &Path, most: u64) -> Result<Option<Bytes>, BucketError> {
        let read = async {
            let found = self.objects.get_opts(path, GetOptions::default()).await?;
            if found.meta.size > most {
                return Ok(Err(found.meta.size));
            }
            let mut chunks = found.into_stream();
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next().await.transpose()? {
                bytes.extend_from_slice(&chunk);
                // What it says of the length is not believed either.
                if bytes.len() as u64 > most {
                    return Ok(Err(bytes.len() as u64));
                }
            }
            Ok(Ok(Bytes::from(bytes)))
        };
        match within(read).await {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(size)) => Err(BucketError::TooLong { name: path.to_string(), size, most }),
            Err(BucketError::Failed(StoreError::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }
}

async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, BucketError> {
    Ok(timeout(OBJECT_WITHIN, work).await.map_err(|_elapsed| BucketError::Late)??)
}

#[cfg(test)]
pub(crate) mod tests;
