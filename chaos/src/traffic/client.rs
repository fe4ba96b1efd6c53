//! A real PostgreSQL client in front of a node, with an agent's token as password.

use crate::{cluster::Environment, history::Answer};
use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);
/// The role of the target that every agent asks for.
const ROLE: &str = "app";

/// Connects to nodes as one agent.
#[derive(Clone)]
pub struct Connector {
    tls: MakeRustlsConnect,
    environment: Environment,
    subject: String,
    token: String,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A session through a node.
#[derive(Debug)]
pub struct Session {
    /// What statements are sent with.
    pub client: Client,
    /// Finishes when the connection has ended, whoever ended it.
    pub ended: JoinHandle<()>,
}

impl Connector {
    /// A connector that trusts the cluster's CA.
    pub fn new(environment: Environment, subject: &str, token: String) -> Result<Self> {
        let ca = environment.get("CS_CA")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).context("read the CA")? {
            roots.add(certificate.context("read the CA")?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let subject = subject.to_owned();
        Ok(Self { tls: MakeRustlsConnect::new(config), environment, subject, token })
    }

    /// The agent.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// A session through a node, or what the agent was answered instead.
    pub async fn connect(&self, node: usize) -> Result<Session, Answer> {
        let config = self.config(node).map_err(|error| lost(format!("{error:#}")))?;
        match tokio::time::timeout(LOGIN, config.connect(self.tls.clone())).await {
            Ok(Ok((client, connection))) => {
                let ended = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a session ended");
                    }
                });
                Ok(Session { client, ended })
            }
            Ok(Err(error)) => Err(answer_of(&error)),
            Err(_) => Err(lost("the login timed out".to_owned())),
        }
    }

    fn config(&self, node: usize) -> Result<Config> {
        let address = self.environment.get(&format!("CS_PG_{node}"))?;
        let (host, port) = address.rsplit_once(':').context("an address without a port")?;
        let mut config = Config::new();
        config
            .host(host)
            .port(port.parse()?)
            .user(ROLE)
            .dbname(self.environment.get("CS_TARGET_PG")?)
            .password(&self.token)
            .ssl_mode(SslMode::Require)
            .connect_timeout(LOGIN);
        Ok(config)
    }
}

/// What an error of the client says about the answer.
pub fn answer_of(error: &Error) -> Answer {
    match error.as_db_error() {
        Some(refused) => Answer::Refused {
            sqlstate: refused.code().code().to_owned(),
            message: refused.message().to_owned(),
        },
        None => lost(error.to_string()),
    }
}

/// No answer.
pub fn lost(message: String) -> Answer {
    Answer::Lost { message }
}
