//! A bucket that fails, hangs or lies, and the real servers that tell whether we speak S3.

mod proxy;
mod servers;

use super::*;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Extensions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutPayload, PutResult, Result as Stored, memory::InMemory,
};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Works,
    Fails,
    Hangs,
    /// Says that it has taken what it has not.
    Forgets,
    /// Gives other bytes than it was given.
    Garbles,
}

/// A bucket in memory with moods.
#[derive(Debug)]
pub(crate) struct Moody {
    pub(crate) objects: InMemory,
    mood: Mutex<Mood>,
}

impl Moody {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { objects: InMemory::new(), mood: Mutex::new(Mood::Works) })
    }

    pub(crate) fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    async fn now(&self) -> Stored<Mood> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Fails => Err(StoreError::Generic { store: "moody", source: "no".into() }),
            Mood::Hangs => std::future::pending().await,
            Mood::Works | Mood::Forgets | Mood::Garbles => Ok(mood),
        }
    }
}

impl fmt::Display for Moody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moody bucket")
    }
}

#[async_trait]
impl ObjectStore for Moody {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Stored<PutResult> {
        if self.now().await? == Mood::Forgets {
            return Ok(PutResult { e_tag: None, version: None, extensions: Extensions::default() });
        }
        self.objects.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Stored<Box<dyn MultipartUpload>> {
        self.now().await?;
        self.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Stored<GetResult> {
        let mood = self.now().await?;
        let found = self.objects.get_opts(at, options).await?;
        if mood != Mood::Garbles {
            return Ok(found);
        }
        let other = InMemory::new();
        let garbled = found.bytes().await?.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
        other.put(at, garbled.into()).await?;
        other.get(at).await
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, Stored<Path>>,
    ) -> BoxStream<'static, Stored<Path>> {
        self.objects.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Stored<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Stored<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Stored<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

fn bucket() -> (Arc<Moody>, Bucket) {
    let moody = Moody::new();
    (Arc::clone(&moody), Bucket::over(moody))
}

/// More than goes in one part.
fn long() -> Bytes {
    (0..PART / 2).flat_map(usize::to_be_bytes).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn what_is_put_is_read_back_whole_in_parts_or_not() {
    let (_, bucket) = bucket();
    for bytes in [Bytes::from_static(b""), Bytes::from_static(b"short"), long()] {
        let name = format!("a/{}", bytes.len());
        bucket.put(&name, bytes.clone()).await.unwrap();
        assert_eq!(bucket.get(&name, bytes.len() as u64).await.unwrap(), Some(bytes.clone()));
        // Once more is the same.
        bucket.put(&name, bytes).await.unwrap();
    }
    assert_eq!(bucket.get("a/none", 10).await.unwrap(), None);
}

#[tokio::test]
async fn a_bucket_that_says_it_has_taken_what_it_has_not_is_found_out() {
    for mood in [Mood::Forgets, Mood::Garbles] {
        let (moody, bucket) = bucket();
        bucket.try_out().await.unwrap();
        moody.mood(mood);
        let put = bucket.put("x", Bytes::from_static(b"bytes")).await;
        assert!(matches!(put, Err(BucketError::Lies { .. })), "{put:?}");
        moody.mood(Mood::Works);
        bucket.put("x", Bytes::from_static(b"bytes")).await.unwrap();
    }
}

#[tokio::test]
async fn a_bucket_that_lies_when_it_is_tried_is_not_used_until_it_does_not() {
    let (moody, bucket) = bucket();
    moody.mood(Mood::Garbles);
    assert!(matches!(bucket.try_out().await, Err(BucketError::Lies { .. })));
    assert!(bucket.put("x", Bytes::from_static(b"bytes")).await.is_err());
    moody.mood(Mood::Works);
    bucket.put("x", Bytes::from_static(b"bytes")).await.unwrap();
}

#[tokio::test]
async fn what_is_damaged_in_the_bucket_is_written_again() {
    let (moody, bucket) = bucket();
    let bytes = Bytes::from_static(b"bytes");
    moody.objects.put(&bucket.path("x"), "other".into()).await.unwrap();
    bucket.put("x", bytes.clone()).await.unwrap();
    assert_eq!(bucket.get("x", 5).await.unwrap(), Some(bytes));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_hangs_is_waited_for_for_a_minute() {
    let (moody, bucket) = bucket();
    bucket.try_out().await.unwrap();
    moody.mood(Mood::Hangs);
    let begun = tokio::time::Instant::now();
    let put = bucket.put("x", Bytes::from_static(b"bytes")).await;
    assert!(matches!(put, Err(BucketError::Late)), "{put:?}");
    assert!(matches!(bucket.get("x", 5).await, Err(BucketError::Late)));
    assert_eq!(begun.elapsed(), 2 * OBJECT_WITHIN);
}

#[tokio::test]
async fn nothing_longer_than_it_can_be_is_read() {
    let (_, bucket) = bucket();
    bucket.put("x", Bytes::from_static(b"0123456789")).await.unwrap();
    let read = bucket.get("x", 9).await;
    assert!(matches!(read, Err(BucketError::TooLong { size: 10, most: 9, .. })), "{read:?}");
}

#[test]
fn the_settings_of_a_bucket_are_looked_at() {
    let places = |settings: &BucketSettings| -> Vec<&'static str> {
        check(settings).into_iter().map(|(place, _)| place).collect()
    };
    let named = || BucketSettings { name: Some("b".to_owned()), ..BucketSettings::default() };
    let at = |url: &str| BucketSettings { endpoint: Some(url.to_owned()), ..named() };
    assert_eq!(places(&BucketSettings::default()), [""; 0]);
    assert_eq!(places(&named()), [""; 0]);
    for good in
        ["https://s3.example", "http://127.0.0.1:9000", "http://[::1]:9", "http://localhost"]
    {
        assert_eq!(places(&at(good)), [""; 0], "{good}");
    }
    for bad in ["http://s3.example", "ftp://127.0.0.1", "s3.example", "http://127.0.0.1.example"] {
        assert_eq!(places(&at(bad)), ["recordings.bucket.endpoint"], "{bad}");
    }
    let unnamed = BucketSettings { locked_days: 3, ..BucketSettings::default() };
    assert_eq!(places(&unnamed), ["recordings.bucket.name"]);
    let half = BucketSettings { access_key: Some("command:echo a".to_owned()), ..named() };
    assert_eq!(places(&half), ["recordings.bucket.secret_key"]);
    let gone = Some("file:/nonexistent".to_owned());
    let unreadable = BucketSettings { access_key: gone.clone(), secret_key: gone, ..named() };
    let keys = ["recordings.bucket.access_key", "recordings.bucket.secret_key"];
    assert_eq!(places(&unreadable), keys);
    let locked = BucketSettings { locked_days: MOST_DAYS_ASKED, ..named() };
    assert_eq!(places(&locked), ["recordings.bucket.locked_days"]);
    let authority = BucketSettings { ca_file: Some("/nonexistent".into()), ..named() };
    assert_eq!(places(&authority), ["recordings.bucket.ca_file"]);
}

/// More days than anybody has.
const MOST_DAYS_ASKED: u64 = 1_000_000;
