//! Agents: each sends writes whose text is unique, and sends the very same bytes again when it was cut off, as automation
//! does; now and then a read that policy allows. What they are answered is written down before anything else happens.

use super::client::Connector;
use crate::history::{Answer, Entry, Recorder};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

/// How long an agent waits for one answer before it gives up the connection.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it sends the same bytes again.
const ATTEMPTS: u32 = 4;
/// Time between an agent's operations.
const REST_MS: std::ops::Range<u64> = 20..200;
/// One in so many operations is a write, the others are reads.
const WRITE_IN: u32 = 3;

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
        Self {
            number,
            nodes,
            connector,
            recorder,
            rng: StdRng::seed_from_u64(seed ^ (number as u64) << 32),
        }
    }

    /// Works until `stop`.
    pub async fn work(mut self, stop: CancellationToken) -> Result<()> {
        let mut turn = 0_u64;
        while !stop.is_cancelled() {
            turn += 1;
            let mark = format!("a{}-{turn}-{:08x}", self.number, self.rng.random::<u32>());
            if self.rng.random_range(0..WRITE_IN) == 0 {
                self.write(&mark, &stop).await?;
            } else {
                self.read(&mark).await?;
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(REST_MS))).await;
        }
        Ok(())
    }

    async fn write(&mut self, mark: &str, stop: &CancellationToken) -> Result<()> {
        let statement =
            format!("INSERT INTO public.marks (mark, agent) VALUES ('{mark}', 'a{}')", self.number);
        for attempt in 1..=ATTEMPTS {
            let node = self.rng.random_range(1..=self.nodes);
            self.recorder.write(&Entry::WriteSent {
                at_ms: self.recorder.now_ms(),
                mark: mark.to_owned(),
                node,
                attempt,
            })?;
            let answer = self.ask(node, &statement).await;
            self.answered(node, mark, &answer)?;
            // A lost answer may have been executed. An agent that asks again gets a new hold, and reviewers would have to
            // approve the same write twice; this agent asks again only where nothing was executed.
            let again = match &answer {
                Answer::Done => false,
                Answer::Refused { sqlstate, .. } => {
                    matches!(sqlstate.as_str(), "57P03" | "57014" | "57P01" | "53300")
                }
                Answer::Lost { .. } => true,
            };
            if !again || stop.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn read(&mut self, mark: &str) -> Result<()> {
        let node = self.rng.random_range(1..=self.nodes);
        self.recorder.write(&Entry::ReadSent {
            at_ms: self.recorder.now_ms(),
            mark: mark.to_owned(),
            node,
        })?;
        let statement = format!("SELECT count(*), '{mark}' FROM public.marks");
        let answer = self.ask(node, &statement).await;
        self.answered(node, mark, &answer)
    }

    fn answered(&self, node: usize, mark: &str, answer: &Answer) -> Result<()> {
        self.recorder.write(&Entry::Answered {
            at_ms: self.recorder.now_ms(),
            mark: mark.to_owned(),
            node,
            answer: answer.clone(),
        })
    }

    async fn ask(&self, node: usize, statement: &str) -> Answer {
        let client = match self.connector.connect(node).await {
            Ok(client) => client,
            Err(error) => return Answer::Lost { message: format!("{error:#}") },
        };
        match tokio::time::timeout(PATIENCE, run(&client, statement)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Lost { message: "no answer in time".to_owned() },
        }
    }
}

async fn run(client: &Client, statement: &str) -> Answer {
    match client.simple_query(statement).await {
        Ok(messages) => match messages.last() {
            Some(SimpleQueryMessage::CommandComplete(_)) => Answer::Done,
            Some(_) | None => Answer::Lost { message: "the answer has no end".to_owned() },
        },
        Err(error) => match error.as_db_error() {
            Some(refused) => Answer::Refused {
                sqlstate: refused.code().code().to_owned(),
                message: refused.message().to_owned(),
            },
            None => Answer::Lost { message: error.to_string() },
        },
    }
}
