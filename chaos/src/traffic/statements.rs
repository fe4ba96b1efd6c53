//! The statements that agents send. Each holds its mark, so that the audit tells which one an intent is for; a bound value
//! is named in a comment, because the audit keeps the statement's text.

use super::client::{answer_of, lost};
use crate::history::{Answer, Manner, Shape};
use rand::{RngExt, rngs::StdRng};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Of so many operations …
const OPERATIONS: u32 = 12;
/// … so many are writes, …
const WRITES: u32 = 4;
/// … and so many are opaque; the others are reads.
const OPAQUE: u32 = 1;

/// A statement to be sent.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) mark: String,
    pub(super) agent: String,
    pub(super) shape: Shape,
    pub(super) manner: Manner,
    text: String,
}

impl Statement {
    /// A statement by chance.
    pub(super) fn draw(rng: &mut StdRng, mark: String, agent: &str) -> Self {
        let shape = match rng.random_range(0..OPERATIONS) {
            chance if chance < WRITES => Shape::Write,
            chance if chance < WRITES + OPAQUE => Shape::Opaque,
            _ => Shape::Read,
        };
        let manner = match (shape, rng.random_range(0..4)) {
            (Shape::Read | Shape::Write, 0) => Manner::Extended,
            (Shape::Read | Shape::Write, 1) => Manner::Transaction,
            (Shape::Read | Shape::Write | Shape::Opaque, _) => Manner::Simple,
        };
        let texts = texts(shape, manner, &mark, agent);
        let text = texts.get(rng.random_range(0..texts.len())).cloned().unwrap_or_default();
        Self { mark, agent: agent.to_owned(), shape, manner, text }
    }

    /// A read that policy allows.
    pub(super) fn read(mark: String, agent: &str) -> Self {
        let text = format!("SELECT count(*), '{mark}' FROM public.marks");
        Self { mark, agent: agent.to_owned(), shape: Shape::Read, manner: Manner::Simple, text }
    }

    /// Sends it and reads the answer.
    pub(super) async fn send(&self, client: &Client) -> Answer {
        match self.manner {
            Manner::Simple => simple(client, &self.text).await,
            Manner::Extended => self.extended(client).await,
            Manner::Transaction => {
                for text in ["BEGIN", self.text.as_str()] {
                    match simple(client, text).await {
                        Answer::Done => {}
                        other @ (Answer::Refused { .. } | Answer::Lost { .. }) => return other,
                    }
                }
                simple(client, "COMMIT").await
            }
        }
    }

    async fn extended(&self, client: &Client) -> Answer {
        let done = match self.shape {
            Shape::Read => client.query(&self.text, &[&self.mark]).await.map(drop),
            Shape::Write | Shape::Opaque => {
                client.execute(&self.text, &[&self.mark, &self.agent]).await.map(drop)
            }
        };
        done.map_or_else(|error| answer_of(&error), |()| Answer::Done)
    }
}

fn texts(shape: Shape, manner: Manner, mark: &str, agent: &str) -> Vec<String> {
    let insert = format!("INSERT INTO public.marks (mark, agent) VALUES ('{mark}', '{agent}')");
    match (shape, manner) {
        (Shape::Read, Manner::Extended) => {
            vec![format!("SELECT count(*), $1::text FROM public.marks /* {mark} */")]
        }
        (Shape::Write, Manner::Extended) => {
            vec![format!("INSERT INTO public.marks (mark, agent) VALUES ($1, $2) /* {mark} */")]
        }
        (Shape::Read, Manner::Simple | Manner::Transaction) => vec![
            format!("SELECT count(*), '{mark}' FROM public.marks"),
            format!("/* ; INSERT */ SELECT $${mark}$$ -- 'odd"),
        ],
        (Shape::Write, Manner::Simple | Manner::Transaction) => vec![
            insert.clone(),
            format!("WITH written AS ({insert} RETURNING mark) SELECT mark FROM written"),
            format!("SELECT 'first a read'; {insert}"),
        ],
        (Shape::Opaque, Manner::Simple | Manner::Extended | Manner::Transaction) => vec![
            format!("DO $do$ BEGIN {insert}; END $do$"),
            format!("SELEC '{mark}' FROM public.marks"),
            format!("EXECUTE \"{mark}\""),
        ],
    }
}

async fn simple(client: &Client, text: &str) -> Answer {
    match client.simple_query(text).await {
        Ok(messages) => match messages.last() {
            Some(SimpleQueryMessage::CommandComplete(_)) => Answer::Done,
            Some(_) | None => lost("the answer has no end".to_owned()),
        },
        Err(error) => answer_of(&error),
    }
}
