//! A real PostgreSQL client in front of a node, with the agent's token as password.

use crate::cluster::Environment;
use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::time::Duration;
use tokio_postgres::{Client, Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);

/// Connects to nodes as the agent.
#[derive(Clone)]
pub struct Connector {
    tls: MakeRustlsConnect,
    environment: Environment,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that trusts the cluster's CA.
    pub fn new(environment: Environment) -> Result<Self> {
        let ca = environment.get("CS_CA")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).context("read the CA")? {
            roots.add(certificate.context("read the CA")?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: MakeRustlsConnect::new(config), environment })
    }

    /// A session through a node.
    pub async fn connect(&self, node: usize) -> Result<Client> {
        let address = self.environment.get(&format!("CS_PG_{node}"))?;
        let (host, port) = address.rsplit_once(':').context("an address without a port")?;
        let mut config = Config::new();
        config
            .host(host)
            .port(port.parse()?)
            .user("ci-bot")
            .dbname(self.environment.get("CS_TARGET_PG")?)
            .password(self.environment.get("CS_AGENT_TOKEN")?)
            .ssl_mode(SslMode::Require)
            .connect_timeout(LOGIN);
        let login = config.connect(self.tls.clone());
        let (client, connection) =
            tokio::time::timeout(LOGIN, login).await.context("the login timed out")??;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a session ended");
            }
        });
        Ok(client)
    }
}
