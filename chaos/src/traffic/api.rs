//! The HTTP API of all nodes, spoken directly, so that the client library is not what is trusted.

use crate::cluster::Environment;
use anyhow::{Context, Result};
use countersign_api::audit::AuditEvent;
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::Value;
use std::time::Duration;

/// How long anybody waits for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How many events are asked for at once.
const PAGE: usize = 500;
/// Where the administrator's token is said.
pub const ADMINISTRATOR: &str = "CS_ADMIN_TOKEN";

/// The HTTP API of all nodes.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    environment: Environment,
}

/// What a node said; status 0 when it said nothing.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The document.
    pub body: Value,
}

impl Said {
    /// A text of the document; empty when it has none of this name.
    pub fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number of the document; 0 when it has none of this name.
    pub fn number(&self, name: &str) -> u64 {
        self.body.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// The items of a page.
    pub fn items(&self) -> &[Value] {
        self.body.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

impl Api {
    /// A client that trusts the cluster's CA.
    pub fn new(environment: Environment) -> Result<Self> {
        let ca = std::fs::read(environment.get("CS_CA")?).context("read the CA")?;
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca)?])
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { client, environment })
    }

    /// The issuer of everybody's tokens.
    pub fn issuer(&self) -> Result<&str> {
        self.environment.get("CS_ISSUER")
    }

    /// GET of a path at a node. A node that is down or has no quorum says nothing of use, which is no error.
    pub async fn get(&self, node: usize, token: &str, path: &str) -> Said {
        match self.request(Method::GET, node, path) {
            Ok(request) => self.ask(request, token).await.unwrap_or_default(),
            Err(_) => Said::default(),
        }
    }

    /// POST of a document to a path at a node.
    pub async fn post(&self, node: usize, token: &str, path: &str, body: &Value) -> Said {
        match self.request(Method::POST, node, path) {
            Ok(request) => self.ask(request.json(body), token).await.unwrap_or_default(),
            Err(_) => Said::default(),
        }
    }

    /// The whole audit trail, as a node tells it.
    pub async fn audit(&self, node: usize) -> Result<Vec<AuditEvent>> {
        let mut events: Vec<AuditEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.sequence);
            let path = format!("/v1/audit/events?after={after}&limit={PAGE}");
            let said = self.ask(self.request(Method::GET, node, &path)?, ADMINISTRATOR).await?;
            anyhow::ensure!(said.status == 200, "status {} of {path}", said.status);
            let items: Vec<AuditEvent> =
                serde_json::from_value(Value::Array(said.items().to_vec()))?;
            if items.is_empty() {
                return Ok(events);
            }
            events.extend(items);
        }
    }

    fn request(&self, method: Method, node: usize, path: &str) -> Result<RequestBuilder> {
        let url = format!("{}{path}", self.environment.get(&format!("CS_API_{node}"))?);
        Ok(self.client.request(method, url))
    }

    async fn ask(&self, request: RequestBuilder, token: &str) -> Result<Said> {
        let answer = request.bearer_auth(self.environment.get(token)?).send().await?;
        Ok(Said { status: answer.status().as_u16(), body: answer.json().await? })
    }
}
