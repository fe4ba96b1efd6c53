//! Reviewers: each looks at the pending holds of a random node and decides about one of them on another random node, most
//! often approving. Two reviewers at once race each other; that is wanted. They speak HTTP themselves, so that the
//! client library is not what is trusted.

use crate::{
    cluster::Environment,
    history::{Entry, Recorder},
};
use anyhow::{Context, Result};
use countersign_api::audit::AuditEvent;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a reviewer waits for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// Time between two looks.
const REST_MS: std::ops::Range<u64> = 50..250;
/// One in so many decisions rejects.
const REJECT_IN: u32 = 6;
/// How many events are asked for at once.
const PAGE: usize = 500;

/// The HTTP API of all nodes.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    environment: Environment,
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

    /// GET of a path at a node.
    pub async fn get(&self, node: usize, token: &str, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.environment.get(&format!("CS_API_{node}"))?);
        let answer = self.client.get(url).bearer_auth(self.environment.get(token)?).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The whole audit trail, as a node tells it.
    pub async fn audit(&self, node: usize) -> Result<Vec<AuditEvent>> {
        let mut events: Vec<AuditEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.sequence);
            let path = format!("/v1/audit/events?after={after}&limit={PAGE}");
            let page = self.get(node, "CS_ADMIN_TOKEN", &path).await?;
            let items: Vec<AuditEvent> =
                serde_json::from_value(page.get("items").cloned().unwrap_or_default())?;
            if items.is_empty() {
                return Ok(events);
            }
            events.extend(items);
        }
    }

    async fn decide(&self, node: usize, token: &str, hold: &str, body: &Value) -> u16 {
        let Ok(api) = self.environment.get(&format!("CS_API_{node}")) else { return 0 };
        let Ok(token) = self.environment.get(token) else { return 0 };
        let request = self
            .client
            .post(format!("{api}/v1/holds/{hold}/decision"))
            .bearer_auth(token)
            .json(body);
        request.send().await.map_or(0, |answer| answer.status().as_u16())
    }
}

/// One reviewer.
#[derive(Debug)]
pub struct Reviewer {
    name: &'static str,
    token: &'static str,
    nodes: usize,
    api: Api,
    recorder: Recorder,
    rng: StdRng,
}

impl Reviewer {
    /// The reviewers of the development cluster, by name and by where their token is said.
    pub const ALL: &[(&'static str, &'static str)] =
        &[("dana", "CS_REVIEWER_TOKEN"), ("rui", "CS_REVIEWER2_TOKEN")];

    /// A reviewer of a run with this seed.
    pub fn new(
        (name, token): (&'static str, &'static str),
        nodes: usize,
        api: Api,
        recorder: Recorder,
        seed: u64,
    ) -> Self {
        let own = name.bytes().fold(seed, |mixed, byte| mixed.rotate_left(8) ^ u64::from(byte));
        Self { name, token, nodes, api, recorder, rng: StdRng::seed_from_u64(own) }
    }

    /// Decides until `stop`.
    pub async fn work(mut self, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            let node = self.rng.random_range(1..=self.nodes);
            // A node that is down or has no quorum answers nothing; the next look is at another.
            if let Ok(page) =
                self.api.get(node, self.token, "/v1/holds?state=pending&limit=50").await
            {
                let holds =
                    page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                if let Some(hold) = holds.choose(&mut self.rng) {
                    self.decide(hold).await?;
                }
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(REST_MS))).await;
        }
        Ok(())
    }

    async fn decide(&mut self, hold: &Value) -> Result<()> {
        let (Some(id), Some(fingerprint)) = (text(hold, "id"), text(hold, "fingerprint")) else {
            return Ok(());
        };
        let decision = if self.rng.random_range(0..REJECT_IN) == 0 { "reject" } else { "approve" };
        let node = self.rng.random_range(1..=self.nodes);
        let body =
            json!({ "decision": decision, "comment": "by chance", "fingerprint": fingerprint });
        let status = self.api.decide(node, self.token, id, &body).await;
        self.recorder.write(&Entry::Decided {
            at_ms: self.recorder.now_ms(),
            node,
            hold: id.to_owned(),
            reviewer: self.name.to_owned(),
            decision: decision.to_owned(),
            status,
        })
    }
}

fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}
