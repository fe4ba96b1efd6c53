//! Minting: one JSON document a line over a unix socket of mode 0600, one answer a line. Nothing is asked of the caller
//! but that the file system lets it in.

use crate::keys::{KeyRing, Signing};
use anyhow::Context as _;
use jsonwebtoken::Header;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

/// Longest request.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// How long one exchange may take.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// A token.
    Mint(Wanted),
    /// A new key, which signs from now on.
    Rotate { algorithm: Signing },
}

/// The token that is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) audience: String,
    pub(crate) subject: String,
    /// May be negative: tests need tokens that have ended.
    pub(crate) lifetime_seconds: i64,
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) algorithm: Option<Signing>,
    /// What a browser's sign-in is told apart by.
    #[serde(default)]
    pub(crate) nonce: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Token(String),
    Key(String),
    Error(String),
}

/// The claims of a token (RFC 7519, section 4.1; OpenID Connect Core 1.0, section 5.1).
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    preferred_username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// Opens the socket; one that a dead issuer left behind is replaced.
pub(crate) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if path.exists() {
        fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers one request after the other: minting is fast, and one at a time is a limit.
pub(crate) async fn run(
    listener: UnixListener,
    issuer: Arc<str>,
    keys: Arc<KeyRing>,
) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept on the minting socket")?;
        if let Ok(Err(error)) = timeout(EXCHANGE_DEADLINE, exchange(stream, &issuer, &keys)).await {
            tracing::warn!(%error, "a minting request failed");
        }
    }
}

async fn exchange(stream: UnixStream, issuer: &str, keys: &KeyRing) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST_BYTES)).read_line(&mut line).await?;
    let answer =
        answer(&line, issuer, keys).unwrap_or_else(|error| Answer::Error(format!("{error:#}")));
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    Ok(())
}

pub(crate) fn answer(line: &str, issuer: &str, keys: &KeyRing) -> anyhow::Result<Answer> {
    match serde_json::from_str(line).context("not a request")? {
        Request::Mint(wanted) => mint(&wanted, issuer, keys).map(Answer::Token),
        Request::Rotate { algorithm } => keys.add(algorithm).map(Answer::Key),
    }
}

pub(crate) fn mint(wanted: &Wanted, issuer: &str, keys: &KeyRing) -> anyhow::Result<String> {
    let key = keys.signer(wanted.algorithm)?;
    let now = jiff::Timestamp::now().as_second();
    let claims = Claims {
        iss: issuer,
        sub: &wanted.subject,
        aud: &wanted.audience,
        iat: now,
        nbf: now.min(now.saturating_add(wanted.lifetime_seconds)),
        exp: now.saturating_add(wanted.lifetime_seconds),
        jti: hex::encode(rand::rng().random::<[u8; 16]>()),
        preferred_username: &wanted.subject,
        groups: wanted.groups.as_deref(),
        owner: wanted.owner.as_deref(),
        nonce: wanted.nonce.as_deref(),
    };
    let mut header = Header::new(key.signing.algorithm());
    header.kid = Some(key.id);
    jsonwebtoken::encode(&header, &claims, &key.private).context("cannot sign the token")
}
