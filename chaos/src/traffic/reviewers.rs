//! Reviewers: each looks at the pending holds of a random node and decides about one of them on another random node, most
//! often approving. Two reviewers at once race each other; that is wanted. One of them is in no group that may decide.

use super::api::Api;
use crate::history::{Entry, Recorder};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two looks.
const BREATHER_MS: std::ops::Range<u64> = 50..250;
/// One in so many decisions rejects.
const REJECT_IN: u32 = 6;
/// The group that the sample's policy names, as the development issuer gives it.
pub const DBA: &[&str] = &["dana", "rui"];

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
    /// The people of the development cluster, by name and by where their token is said.
    pub const ALL: &[(&'static str, &'static str)] = &[
        ("dana", "CS_REVIEWER_TOKEN"),
        ("rui", "CS_REVIEWER2_TOKEN"),
        ("ada", super::api::ADMINISTRATOR),
    ];

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
            let said = self.api.get(node, self.token, "/v1/holds?state=pending&limit=50").await;
            if let Some(hold) = said.items().choose(&mut self.rng) {
                self.decide(hold).await?;
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(BREATHER_MS))).await;
        }
        Ok(())
    }

    async fn decide(&mut self, hold: &Value) -> Result<()> {
        let text = |name: &str| hold.get(name).and_then(Value::as_str);
        let (Some(id), Some(fingerprint)) = (text("id"), text("fingerprint")) else {
            return Ok(());
        };
        let decision = if self.rng.random_range(0..REJECT_IN) == 0 { "reject" } else { "approve" };
        let node = self.rng.random_range(1..=self.nodes);
        let body =
            json!({ "decision": decision, "comment": "by chance", "fingerprint": fingerprint });
        let sent_ms = self.recorder.now_ms();
        let path = format!("/v1/holds/{id}/decision");
        let said = self.api.post(node, self.token, &path, &body).await;
        self.recorder.write(&Entry::Decided {
            sent_ms,
            at_ms: self.recorder.now_ms(),
            node,
            hold: id.to_owned(),
            reviewer: self.name.to_owned(),
            decision: decision.to_owned(),
            status: said.status,
            state: said.text("state").to_owned(),
        })
    }
}
