//! An agent that uses a driver: tokio-postgres, over TLS, through a node.

use crate::api::install_crypto;
use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    future::poll_fn,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Config,
    config::SslMode,
    error::{DbError, SqlState},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Notices that are kept for a test that does not look.
const MOST_NOTICES: usize = 256;
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);

/// Where and as whom an agent logs in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The node's host.
    pub host: String,
    /// The node's port for PostgreSQL.
    pub port: u16,
    /// `TARGET` or `TARGET/DATABASE`.
    pub database: String,
    /// A role of the target, or the agent's name.
    pub user: String,
    /// The OIDC token, sent as password.
    pub token: String,
    /// The authority of the node's certificate.
    pub ca_file: PathBuf,
    /// The startup parameter `options`.
    pub options: Option<String>,
    /// The folder of `client.crt` and `client.key`, with which to log in instead of the token.
    pub certificate: Option<PathBuf>,
}

impl Login {
    /// With another `TARGET/DATABASE`.
    #[must_use]
    pub fn to(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        self
    }

    /// As another role.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// With the startup parameter `options`, such as `-c search_path=other`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.options = Some(options.to_owned());
        self
    }

    /// With the certificate in this folder.
    #[must_use]
    pub fn certified(mut self, folder: &Path) -> Self {
        self.certificate = Some(folder.to_owned());
        self
    }

    /// TLS that trusts the node's authority and nothing else.
    pub fn tls(&self) -> anyhow::Result<MakeRustlsConnect> {
        install_crypto();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca_file)? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some(folder) => config.with_client_auth_cert(
                vec![CertificateDer::from_pem_file(folder.join("client.crt"))?],
                PrivateKeyDer::from_pem_file(folder.join("client.key"))?,
            )?,
        };
        Ok(MakeRustlsConnect::new(config))
    }

    /// Connects and logs in.
    pub async fn connect(&self) -> anyhow::Result<Agent> {
        let mut config = Config::new();
        config.host(&self.host).port(self.port).dbname(&self.database).user(&self.user);
        config.password(&self.token).ssl_mode(SslMode::Require).application_name("countersign-it");
        if let Some(options) = &self.options {
            config.options(options);
        }
        let (client, mut connection) = timeout(CONNECT_DEADLINE, config.connect(self.tls()?))
            .await
            .context("no login in time")??;
        let (sender, notices) = mpsc::channel(MOST_NOTICES);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(notice) = message {
                    drop(sender.try_send(notice));
                }
            }
        });
        Ok(Agent { client, notices })
    }
}

/// A connected agent.
#[derive(Debug)]
pub struct Agent {
    /// The driver.
    pub client: Client,
    /// What the gateway told in-band.
    pub notices: mpsc::Receiver<DbError>,
}

impl Agent {
    /// The next notice.
    pub async fn notice(&mut self) -> anyhow::Result<DbError> {
        let next = timeout(Duration::from_secs(20), self.notices.recv()).await;
        next.context("no notice in time")?.context("the connection ended")
    }
}

/// The SQLSTATE of a refusal.
pub fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("none", SqlState::code)
}

/// What the refusal says beside its message.
pub fn detail(error: &tokio_postgres::Error) -> &str {
    error.as_db_error().and_then(DbError::detail).unwrap_or_default()
}
