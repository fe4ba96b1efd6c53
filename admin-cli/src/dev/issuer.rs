//! The development identity issuer: a process of its own, which signs what it is asked for over its private socket.

use super::{
    control,
    directory::Directory,
    process::{self, Running},
    token::{self, Bearer},
};
use crate::cli::{Algorithm, Person};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{ffi::OsString, path::PathBuf, time::Duration};
use tokio::net::UnixStream;

/// Who may sign in with a browser.
const PEOPLE: [&str; 3] = ["dana", "rui", "ada"];

/// The token that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) person: Bearer,
    pub(super) lifetime: Duration,
    pub(super) algorithm: Option<Algorithm>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Question<'a> {
    Mint {
        audience: &'a str,
        subject: &'a str,
        lifetime_seconds: u64,
        groups: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        algorithm: Option<&'static str>,
    },
    Rotate {
        algorithm: &'static str,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Token(String),
    Key(String),
    Error(String),
}

/// Starts the issuer.
pub(super) fn start(directory: &Directory, port: u16) -> anyhow::Result<Running> {
    let tls = directory.tls();
    let mut arguments: Vec<OsString> = vec![
        "--listen".into(),
        format!("127.0.0.1:{port}").into(),
        "--dir".into(),
        directory.issuer().into(),
        "--cert-file".into(),
        tls.join("listener.crt").into(),
        "--key-file".into(),
        tls.join("listener.key").into(),
    ];
    for name in PEOPLE {
        let Bearer { groups, .. } = token::person(Person::Reviewer, name, None, None);
        arguments.push("--person".into());
        arguments.push(format!("{name}={}", groups.join(",")).into());
    }
    process::spawn(
        directory,
        "issuer",
        "countersign-dev-issuer",
        arguments.iter().map(OsString::as_os_str),
    )
}

/// What people sign in with in a browser, all of them.
pub(super) fn password(directory: &Directory) -> anyhow::Result<String> {
    let file = directory.issuer().join("password");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// Whether the issuer can be asked for tokens.
pub(super) async fn is_up(directory: &Directory) -> bool {
    UnixStream::connect(socket(directory)).await.is_ok()
}

fn socket(directory: &Directory) -> PathBuf {
    directory.issuer().join("mint.sock")
}

/// A fresh token.
pub(super) async fn mint(directory: &Directory, wanted: &Wanted) -> anyhow::Result<String> {
    let person = &wanted.person;
    let question = Question::Mint {
        audience: person.audience,
        subject: &person.name,
        lifetime_seconds: wanted.lifetime.as_secs(),
        groups: &person.groups,
        owner: person.owner.as_deref(),
        algorithm: wanted.algorithm.map(name),
    };
    match ask(directory, &question).await? {
        Answer::Token(token) => Ok(token),
        Answer::Key(_) => bail!("the issuer answered something else"),
        Answer::Error(error) => bail!("the issuer refuses: {error}"),
    }
}

/// Adds a key; its id.
pub(super) async fn rotate(directory: &Directory, algorithm: Algorithm) -> anyhow::Result<String> {
    match ask(directory, &Question::Rotate { algorithm: name(algorithm) }).await? {
        Answer::Key(id) => Ok(id),
        Answer::Token(_) => bail!("the issuer answered something else"),
        Answer::Error(error) => bail!("the issuer refuses: {error}"),
    }
}

async fn ask(directory: &Directory, question: &Question<'_>) -> anyhow::Result<Answer> {
    control::ask(&socket(directory), question).await
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::Rs256 => "RS256",
    }
}
