//! Agents: each sends statements whose text is unique, and sends the very same bytes again when it was cut off, as automation
//! does. What they are answered is written down before anything else happens.

use super::{
    client::{Connector, lost},
    statements::Statement,
};
use crate::history::{Answer, Entry, Recorder};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// How long an agent waits for one answer before it gives up the connection.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it sends the same bytes again.
const ATTEMPTS: u32 = 4;
/// Time between an agent's operations.
const BREATHER_MS: std::ops::Range<u64> = 20..200;

/// Who the agents are: subject, and the human it acts for. Most act for nobody who reviews. One acts for a reviewer, and one
/// has the very identity of a reviewer: neither may ever be approved by that one.
pub const IDENTITIES: &[(&str, Option<&str>)] = &[
    ("ci-bot", Some("sam")),
    ("bot-alone", None),
    ("bot-of-dana", Some("dana")),
    ("ci-bot", Some("sam")),
    ("rui", None),
    ("bot-alone", None),
];

/// One agent.
#[derive(Debug)]
pub struct Agent {
    number: usize,
    nodes: usize,
    connector: Connector,
    recorder: Recorder,
    rng: StdRng,
}

impl Agent {
    /// Agent `number` of a run with this seed.
    pub fn new(
        number: usize,
        nodes: usize,
        connector: Connector,
        recorder: Recorder,
        seed: u64,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ (number as u64) << 32);
        Self { number, nodes, connector, recorder, rng }
    }

    /// Works until `stop`.
    pub async fn work(mut self, stop: CancellationToken) -> Result<()> {
        let mut turn = 0_u64;
        while !stop.is_cancelled() {
            turn += 1;
            let mark = format!("a{}-{turn}-{:08x}", self.number, self.rng.random::<u32>());
            let statement = Statement::draw(&mut self.rng, mark, self.connector.subject());
            self.carry_out(&statement, &stop).await?;
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(BREATHER_MS))).await;
        }
        Ok(())
    }

    async fn carry_out(&mut self, statement: &Statement, stop: &CancellationToken) -> Result<()> {
        for attempt in 1..=ATTEMPTS {
            let node = self.rng.random_range(1..=self.nodes);
            let sent_ms = sent(&self.recorder, statement, node, attempt)?;
            let answer = match self.connector.connect(node).await {
                Ok(session) => ask(&session.client, statement).await,
                Err(answer) => answer,
            };
            let again = asks_again(&answer);
            answered(&self.recorder, statement, node, sent_ms, answer)?;
            if !again || stop.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A lost answer may belong to a statement that was executed. Automation asks again all the same: its retry is a new
/// operation, with a hold of its own if it is a write, and if reviewers approve that one too the row rightly stands twice.
/// So checkers count the operations that were admitted, never the statements.
fn asks_again(answer: &Answer) -> bool {
    match answer {
        Answer::Done => false,
        Answer::Refused { sqlstate, .. } => {
            matches!(sqlstate.as_str(), "57P03" | "57014" | "57P01" | "53300")
        }
        Answer::Lost { .. } => true,
    }
}

/// Writes down that a statement is sent, and when.
pub(super) fn sent(
    recorder: &Recorder,
    statement: &Statement,
    node: usize,
    attempt: u32,
) -> Result<u64> {
    let at_ms = recorder.now_ms();
    recorder.write(&Entry::Sent {
        at_ms,
        mark: statement.mark.clone(),
        node,
        agent: statement.agent.clone(),
        attempt,
        shape: statement.shape,
        manner: statement.manner,
    })?;
    Ok(at_ms)
}

/// Writes down what was answered.
pub(super) fn answered(
    recorder: &Recorder,
    statement: &Statement,
    node: usize,
    sent_ms: u64,
    answer: Answer,
) -> Result<()> {
    let at_ms = recorder.now_ms();
    recorder.write(&Entry::Answered { sent_ms, at_ms, mark: statement.mark.clone(), node, answer })
}

/// Sends a statement; waits no longer than an agent would.
pub(super) async fn ask(client: &Client, statement: &Statement) -> Answer {
    match tokio::time::timeout(PATIENCE, statement.send(client)).await {
        Ok(answer) => answer,
        Err(_) => lost("no answer in time".to_owned()),
    }
}
