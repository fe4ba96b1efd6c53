//! `credential`: what an agent logs in with instead of its token, and which of these there are. Keys are made here and never
//! leave this machine.

mod kubernetes;

use crate::{
    cli::{CredentialCommand, Global},
    connection::Reached,
    failure::Failure,
    files,
    output::{self, Terminal},
    visible::visible,
};
use anyhow::Context as _;
use countersign_api::{
    Client,
    credential::{CredentialRequest, IssuedCredential, IssuedState, SshCredentialRequest},
    page::{MAX_PAGE, Paging},
    time::Timestamp,
};
use rcgen::{CertificateParams, KeyPair};
use serde::Serialize;
use ssh_key::{
    LineEnding, PrivateKey,
    private::{Ed25519Keypair, Ed25519PrivateKey},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The longest life of a credential, as `ssh-add` reads it.
const LONGEST_LIFE: &str = "1h";

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
    let reached = Reached::by(global, terminal)?;
    let client = reached.client()?;
    match command {
        CredentialCommand::Kubernetes { target } => {
            kubernetes::run(&reached, target, terminal).await
        }
        CredentialCommand::Postgres { out } => postgres(&client, &out, terminal).await,
        CredentialCommand::Ssh { out, principals, source_address } => {
            ssh(&client, (principals, source_address), &out, terminal).await
        }
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

async fn ssh(
    client: &Client,
    (principals, source_address): (Vec<String>, Option<String>),
    out: &Path,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let seed: [u8; Ed25519PrivateKey::BYTE_SIZE] = rand::random();
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let public_key = key.public_key().to_openssh().context("cannot write the key")?;
    let request = SshCredentialRequest { public_key, principals, source_address };
    let issued = client.ssh_credential(&request).await?.body;
    let written = Written {
        id: issued.id,
        expires_at: issued.expires_at,
        certificate: out.join("id_countersign-cert.pub"),
        key: out.join("id_countersign"),
    };
    let text = key.to_openssh(LineEnding::LF).context("cannot write the key")?;
    files::write_private(&written.key, text.as_bytes())?;
    files::write_private(&written.certificate, format!("{}\n", issued.certificate))?;
    if std::env::var_os("SSH_AUTH_SOCK").is_some() {
        add_to_agent(&written.key, terminal);
    }
    terminal.answer(&written, |written, _| {
        output::pairs(&[
            ("credential", written.id.clone()),
            ("ends", written.expires_at.to_string()),
            ("identity file", written.key.display().to_string()),
            ("certificate", written.certificate.display().to_string()),
        ])
    })
}

/// Has OpenSSH put key and certificate into the SSH agent, for no longer than they can count. Without it they are in their files.
fn add_to_agent(key: &Path, terminal: &mut Terminal) {
    let added = Command::new("ssh-add").args(["-q", "-t", LONGEST_LIFE]).arg(key).status();
    match added {
        Ok(status) if status.success() => terminal.note("added to the SSH agent"),
        Ok(_) => terminal.warn("the SSH agent did not take the certificate: use `ssh -i`"),
        Err(error) => terminal.warn(&format!("ssh-add cannot be run: {error}; use `ssh -i`")),
    }
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
        IssuedState::Expired => "expired",
        IssuedState::Void => "void",
    }
}
