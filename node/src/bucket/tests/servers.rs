//! Real servers: `s3s-fs`, which checks signatures and knows no lock, and moto, which locks and checks no signature. tests/run.sh
//! sees to it that they are there.

use super::{
    super::*,
    long,
    proxy::{Between, Proxy},
};
use reqwest::Client;
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tokio::{net::TcpStream, time::sleep};

/// How long a server may take to start.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// The bucket, and the key that the servers know.
const NAME: &str = "kept";
const ID: &str = "an-id";
const SECRET: &str = "a-secret";

/// A server that ends with its test.
struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where tests/run.sh has put something.
fn installed(variable: &str, default: &str) -> PathBuf {
    let cache = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/countersign");
    std::env::var_os(variable).map_or_else(|| cache().join(default), PathBuf::from)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Server {
    /// A server that checks signatures.
    async fn s3s() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        std::fs::create_dir(folder.path().join(NAME)).unwrap();
        let mut command = Command::new(installed("CS_TEST_S3S", "tools/bin/s3s-fs"));
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", ID, "--secret-key", SECRET]).arg(folder.path());
        Self::started(command, port, folder).await
    }

    /// A server with a bucket whose objects are locked for so many days; 0 for a bucket without versions.
    async fn moto(days: u64, mode: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new(installed("CS_TEST_PYTHON", "python-clients/bin/python"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Self::started(command, port, folder).await;
        let url = format!("http://127.0.0.1:{port}/{NAME}");
        let create = Client::new().put(&url);
        let create = if days == 0 {
            create
        } else {
            create.header("x-amz-bucket-object-lock-enabled", "true")
        };
        done(create).await;
        if days > 0 {
            let rule = format!("<Mode>{mode}</Mode><Days>{days}</Days>");
            let body = format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                 <Rule><DefaultRetention>{rule}</DefaultRetention></Rule></ObjectLockConfiguration>"
            );
            done(Client::new().put(format!("{url}?object-lock")).body(body)).await;
        }
        server
    }

    async fn started(mut command: Command, port: u16, folder: tempfile::TempDir) -> Self {
        crate::tls::install_provider();
        let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = silent.spawn().expect("tests/run.sh installs the servers");
        let server = Self { child, port, _folder: folder };
        let begun = tokio::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(begun.elapsed() < STARTS_WITHIN, "the server does not start");
            sleep(Duration::from_millis(50)).await;
        }
        server
    }
}

async fn done(request: reqwest::RequestBuilder) {
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// The bucket of a server at this port, by these keys, locked for so many days.
fn at(port: u16, secret: &str, locked_days: u64) -> Bucket {
    let settings = BucketSettings {
        name: Some(NAME.to_owned()),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        access_key: Some(format!("command:echo {ID}")),
        secret_key: Some(format!("command:echo {secret}")),
        locked_days,
        ..BucketSettings::default()
    };
    Bucket::open(&settings, "cluster-1").unwrap().unwrap()
}

#[tokio::test]
async fn a_server_that_checks_signatures_takes_and_gives_what_we_sign() {
    let server = Server::s3s().await;
    let bucket = at(server.port, SECRET, 0);
    for bytes in [Bytes::from_static(b"short"), long()] {
        let name = format!("a b/{}", bytes.len());
        bucket.put(&name, bytes.clone()).await.unwrap();
        bucket.put(&name, bytes.clone()).await.unwrap();
        assert_eq!(bucket.get(&name, bytes.len() as u64).await.unwrap(), Some(bytes));
    }
    assert_eq!(bucket.get("none", 10).await.unwrap(), None);
    let stranger = at(server.port, "another-secret", 0);
    assert!(stranger.try_out().await.is_err());
}

#[tokio::test]
async fn a_server_behind_a_network_that_fails_and_lies_is_believed_nothing() {
    let server = Server::s3s().await;
    let proxy = Proxy::before(server.port).await;
    let bucket = at(proxy.port, SECRET, 0);
    bucket.try_out().await.unwrap();
    let bytes = Bytes::from_static(b"bytes");
    proxy.mood(Between::Lies);
    let put = bucket.put("x", bytes.clone()).await;
    assert!(matches!(put, Err(BucketError::Lies { .. })), "{put:?}");
    proxy.mood(Between::Fails);
    let put = bucket.put("x", bytes.clone()).await;
    assert!(matches!(put, Err(BucketError::Failed(_))), "{put:?}");
    proxy.mood(Between::Passes);
    bucket.put("x", bytes.clone()).await.unwrap();
    assert_eq!(bucket.get("x", 5).await.unwrap(), Some(bytes));
}

/// A server that locks, and the port at which it takes what S3 takes.
async fn moto(days: u64, mode: &str) -> (Server, u16) {
    let server = Server::moto(days, mode).await;
    let proxy = Proxy::before(server.port).await;
    proxy.mood(Between::NamesChecksum);
    (server, proxy.port)
}

/// What the try of a lock ends with.
async fn refused(bucket: &Bucket) -> LockError {
    match bucket.try_out().await {
        Err(BucketError::Lock(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_that_locks_in_compliance_mode_for_long_enough_is_used() {
    let (_server, port) = moto(30, "COMPLIANCE").await;
    let bucket = at(port, SECRET, 30);
    bucket.put("x", Bytes::from_static(b"bytes")).await.unwrap();
    let short = refused(&at(port, SECRET, 31)).await;
    assert!(matches!(short, LockError::Short { days: 31, .. }), "{short:?}");
}

#[tokio::test]
async fn a_bucket_whose_lock_can_be_taken_away_is_refused() {
    let (_server, port) = moto(30, "GOVERNANCE").await;
    let error = refused(&at(port, SECRET, 30)).await;
    assert!(matches!(&error, LockError::Mode(mode) if mode == "GOVERNANCE"), "{error:?}");
}

#[tokio::test]
async fn a_bucket_without_versions_or_locks_is_refused_where_a_lock_is_asked_for() {
    let (_server, port) = moto(0, "").await;
    let error = refused(&at(port, SECRET, 1)).await;
    assert!(matches!(error, LockError::Unversioned), "{error:?}");
    at(port, SECRET, 0).try_out().await.unwrap();
    // It takes headers of locks and does nothing of them. That deleting is forbidden says nothing of a lock.
    let server = Server::s3s().await;
    let proxy = Proxy::before(server.port).await;
    proxy.mood(Between::ForbidsDeleting);
    let error = refused(&at(proxy.port, SECRET, 1)).await;
    assert!(matches!(error, LockError::Unversioned | LockError::Mode(_)), "{error:?}");
    let put = at(server.port, SECRET, 1).put("x", Bytes::from_static(b"bytes")).await;
    assert!(matches!(put, Err(BucketError::Lock(_))), "{put:?}");
}
