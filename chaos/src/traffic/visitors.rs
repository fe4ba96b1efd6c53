//! Visitors: agents that come once, keep a session open, and are revoked in the midst of it, they themselves or only their
//! session. Some go on talking, others are silent, because a session must end by itself too. What they get afterwards, and
//! when their session ends, is written down.

use super::{
    agents::{answered, ask, sent},
    api::{ADMINISTRATOR, Api},
    client::{Connector, Session},
    statements::Statement,
};
use crate::{
    cluster::{Cluster, Environment},
    history::{Answer, End, Entry, Out, Recorder},
};
use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a visitor works before it is revoked.
const WORKS_MS: std::ops::Range<u64> = 300..2_000;
/// How long the end of its session is waited for: longer than a cut-off node may take.
const WATCH_MS: u64 = 15_000;
/// Time between two of its statements.
const BREATHER: Duration = Duration::from_millis(250);
/// How many nodes are asked to revoke before it is given up.
const ATTEMPTS: u32 = 20;
/// One in so many visits ends with the session alone being revoked.
const SESSION_IN: u32 = 3;
/// One in so many visitors is silent once it was revoked.
const SILENT_IN: u32 = 2;
/// What makes this one's choices different from the others'.
const SALT: u64 = 0x7669_7369_746f_7221;

/// Entrances of a run: a visit takes as long as its session lasts, and few would prove little.
pub const ENTRANCES: u32 = 3;

/// An entrance that visitors come through, one after another.
#[derive(Debug)]
pub struct Visits {
    /// The cluster, for tokens.
    pub cluster: Cluster,
    /// Its addresses.
    pub environment: Environment,
    /// The administrator's way in.
    pub api: Api,
    /// The history.
    pub recorder: Recorder,
    /// What choices are derived from.
    pub seed: u64,
    /// Which of the entrances.
    pub entrance: u32,
}

impl Visits {
    /// Lets visitors come until `stop`.
    pub async fn work(self, stop: CancellationToken) -> Result<()> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ SALT ^ u64::from(self.entrance));
        let mut turn = 0_u32;
        while !stop.is_cancelled() {
            turn += 1;
            let subject = format!("visitor-{}-{turn}", self.entrance);
            let token = self.cluster.agent_token(&subject, None).await?;
            let connector = Connector::new(self.environment.clone(), &subject, token)?;
            let node = rng.random_range(1..=self.cluster.nodes());
            match connector.connect(node).await {
                Ok(session) => {
                    let opened_ms = self.recorder.now_ms();
                    let visit = Visit { visits: &self, connector, node, session, opened_ms };
                    visit.carry_out(&mut rng, turn, &stop).await?;
                }
                Err(_) => tokio::time::sleep(BREATHER).await,
            }
        }
        Ok(())
    }
}

struct Visit<'a> {
    visits: &'a Visits,
    connector: Connector,
    node: usize,
    session: Session,
    opened_ms: u64,
}

impl Visit<'_> {
    async fn carry_out(self, rng: &mut StdRng, turn: u32, stop: &CancellationToken) -> Result<()> {
        let works = Duration::from_millis(rng.random_range(WORKS_MS));
        self.read(1).await?;
        tokio::time::sleep(works).await;
        let Some(out) = self.out(turn).await? else { return Ok(()) };
        self.revoke(&out, rng, stop).await?;
        let until_ms = self.visits.recorder.now_ms() + WATCH_MS;
        let mut attempt = 1;
        while !self.session.ended.is_finished() && self.visits.recorder.now_ms() < until_ms {
            if !turn.is_multiple_of(SILENT_IN) {
                attempt += 1;
                self.read(attempt).await?;
            }
            tokio::time::sleep(BREATHER).await;
        }
        self.note_end()?;
        self.come_again(rng).await
    }

    async fn read(&self, attempt: u32) -> Result<()> {
        let subject = self.connector.subject();
        let statement = Statement::read(format!("{subject}-{attempt}"), subject);
        let sent_ms = sent(&self.visits.recorder, &statement, self.node, attempt)?;
        let answer = ask(&self.session.client, &statement).await;
        answered(&self.visits.recorder, &statement, self.node, sent_ms, answer)
    }

    /// What is going to be revoked; nothing when the session cannot be found because it is gone already.
    async fn out(&self, turn: u32) -> Result<Option<Out>> {
        let subject = self.connector.subject();
        if !turn.is_multiple_of(SESSION_IN) {
            return Ok(Some(Out::Agent(subject.to_owned())));
        }
        let path = format!("/v1/sessions?agent={subject}");
        for node in 1..=self.visits.cluster.nodes() {
            let said = self.visits.api.get(node, ADMINISTRATOR, &path).await;
            let id = said.items().first().and_then(|item| item.get("id")).and_then(Value::as_str);
            if let Some(id) = id {
                return Ok(Some(Out::Session(id.to_owned())));
            }
        }
        Ok(None)
    }

    /// Asks one node after another until one says that it is done.
    async fn revoke(&self, out: &Out, rng: &mut StdRng, stop: &CancellationToken) -> Result<()> {
        let Visits { api, recorder, cluster, .. } = self.visits;
        let request = match out {
            Out::Agent(subject) => {
                json!({ "identity": { "issuer": api.issuer()?, "subject": subject } })
            }
            Out::Session(id) => json!({ "session": { "id": id } }),
        };
        for _ in 0..ATTEMPTS {
            let node = rng.random_range(1..=cluster.nodes());
            let sent_ms = recorder.now_ms();
            let said = api.post(node, ADMINISTRATOR, "/v1/revocations", &request).await;
            recorder.write(&Entry::Revoked {
                sent_ms,
                at_ms: recorder.now_ms(),
                node,
                out: out.clone(),
                status: said.status,
            })?;
            if said.status == 200 || stop.is_cancelled() {
                return Ok(());
            }
            tokio::time::sleep(BREATHER).await;
        }
        Ok(())
    }

    fn note_end(&self) -> Result<()> {
        let end = if self.session.ended.is_finished() { End::Closed } else { End::StillOpen };
        self.visits.recorder.write(&Entry::Watched {
            opened_ms: self.opened_ms,
            at_ms: self.visits.recorder.now_ms(),
            node: self.node,
            agent: self.connector.subject().to_owned(),
            end,
        })
    }

    /// A new session, on a node by chance: refused where the agent itself is out.
    async fn come_again(&self, rng: &mut StdRng) -> Result<()> {
        let node = rng.random_range(1..=self.visits.cluster.nodes());
        let subject = self.connector.subject();
        let statement = Statement::read(format!("{subject}-again"), subject);
        let sent_ms = sent(&self.visits.recorder, &statement, node, 1)?;
        let answer: Answer = match self.connector.connect(node).await {
            Ok(session) => ask(&session.client, &statement).await,
            Err(answer) => answer,
        };
        answered(&self.visits.recorder, &statement, node, sent_ms, answer)
    }
}
