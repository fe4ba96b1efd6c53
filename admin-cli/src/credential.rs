//! `credential`: what an agent logs in with instead of its token, and which of these there are. Keys are made here and never
//! leave this machine.

use crate::{
    cli::{CredentialCommand, Global},
    connection,
    failure::Failure,
    files,
    output::{self, Terminal},
    visible::visible,
};
use anyhow::Context as _;
use countersign_api::{
    Client,
    credential::{CredentialRequest, IssuedCredential, IssuedState},
    page::{MAX_PAGE, Paging},
    time::Timestamp,
};
use rcgen::{CertificateParams, KeyPair};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where the credential is.
#[derive(Serialize)]
struct Written {
    id: String,
    expires_at: Timestamp,
    certificate: PathBuf,
    key: PathBuf,
}

/// Runs a command of `credential`.
pub(crate) async fn run(
    command: CredentialCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let client = connection::client(global, terminal)?;
    match command {
        CredentialCommand::Postgres { out } => postgres(&client, &out, terminal).await,
        CredentialCommand::List => list(&client, terminal).await,
    }
}

async fn postgres(client: &Client, out: &Path, terminal: &mut Terminal) -> Result<(), Failure> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .context("cannot make a signing request")?;
    let issued = client.postgres_credential(&CredentialRequest { csr }).await?.body;
    let written = Written {
        id: issued.id,
        expires_at: issued.expires_at,
        certificate: out.join("client.crt"),
        key: out.join("client.key"),
    };
    // The key first: a certificate beside another key is of no use.
    files::write_private(&written.key, key.serialize_pem())?;
    files::write_private(&written.certificate, issued.certificate)?;
    terminal.answer(&written, |written, _| {
        output::pairs(&[
            ("credential", written.id.clone()),
            ("ends", written.expires_at.to_string()),
            ("sslcert", written.certificate.display().to_string()),
            ("sslkey", written.key.display().to_string()),
        ])
    })
}

/// Lists all of them, page by page.
async fn list(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut all: Vec<IssuedCredential> = Vec::new();
    let mut cursor = None;
    loop {
        let paging = Paging { cursor, limit: Some(MAX_PAGE) };
        let page = client.credentials(&paging).await?.body;
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    terminal.answer(&all, |all, _| {
        output::table(
            ["credential", "form", "agent", "provider", "state", "ends"],
            all.iter().map(|one| {
                [
                    one.id.clone(),
                    one.form.clone(),
                    visible(&one.agent.name),
                    one.provider.clone(),
                    state(one.state).to_owned(),
                    one.expires_at.to_string(),
                ]
            }),
        )
    })
}

const fn state(state: IssuedState) -> &'static str {
    match state {
        IssuedState::Valid => "valid",
        IssuedState::Revoked => "revoked",
        IssuedState::Void => "void",
    }
}
