//! `credential`: what an agent logs in with instead of its token. The key is made here and never leaves this machine.

use crate::{
    cli::{CredentialCommand, Global},
    connection,
    failure::Failure,
    files,
    output::{self, Terminal},
};
use anyhow::Context as _;
use countersign_api::{credential::CredentialRequest, time::Timestamp};
use rcgen::{CertificateParams, KeyPair};
use serde::Serialize;
use std::path::PathBuf;

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
    let CredentialCommand::Postgres { out } = command;
    let client = connection::client(global, terminal)?;
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
