//! The leader dies under load: a pause, nothing lost, nothing doubled, no error but a clear retryable one.
//!
//! `CS_LEADER_ROUNDS` says how often the leader is killed (default 2); the pauses go to stderr. A pause is the time
//! between an agent's last answer before the loss and its first one after it, so it contains what the statement itself takes.

use anyhow::Context as _;
use countersign_tests::{
    agent::{Login, sqlstate},
    api::Api,
    cluster::Cluster,
    node_log::PEER_LOSS,
};
use std::{
    collections::{HashMap, HashSet},
    io::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const AGENTS: usize = 16;
/// Of so many statements one is a write, which is held.
const ONE_WRITE_IN: u64 = 8;
/// Load before each loss.
const STEADY: Duration = Duration::from_secs(3);
/// Load after it: longer than any pause that the test accepts.
const AFTER: Duration = Duration::from_secs(6);
/// What nobody should have to wait for, on a machine that runs nothing else.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long one statement of an agent may take; longer counts as hanging.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(30);

/// What may be said while there is no leader: `cannot_connect_now`, which every pool tries again.
const RETRYABLE: &[&str] = &["57P03"];

#[derive(Debug, Default)]
struct Round {
    stop: AtomicBool,
    next: AtomicU64,
    /// When the leader was killed.
    lost: OnceLock<Instant>,
}

/// What one agent lived through.
#[derive(Debug, Default)]
struct Life {
    written: Vec<String>,
    refused: Vec<String>,
    pause: Option<Pause>,
}

/// The gap over the loss, and what ended it.
#[derive(Debug, Clone, Copy)]
struct Pause {
    lasted: Duration,
    ended_by: Statement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    Read,
    Write,
}

impl Round {
    fn statement(&self) -> (Statement, String, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("leader-{number}");
        if number.is_multiple_of(ONE_WRITE_IN) {
            let sql = format!("INSERT INTO written (id) VALUES ('{id}')");
            (Statement::Write, id, sql)
        } else {
            (Statement::Read, id, "SELECT id FROM orders WHERE id = 1".to_owned())
        }
    }
}

async fn live(login: Login, round: Arc<Round>) -> anyhow::Result<Life> {
    let mut life = Life::default();
    let mut agent = login.connect().await?;
    let mut last = Instant::now();
    while !round.stop.load(Ordering::Relaxed) {
        let (statement, id, sql) = round.statement();
        let done = timeout(STATEMENT_DEADLINE, agent.client.batch_execute(&sql));
        match done.await.with_context(|| format!("`{sql}` hangs"))? {
            Ok(()) => {
                let now = Instant::now();
                if round.lost.get().is_some_and(|lost| last < *lost && *lost <= now) {
                    life.pause = Some(Pause { lasted: now - last, ended_by: statement });
                }
                last = now;
                if statement == Statement::Write {
                    life.written.push(id);
                }
            }
            Err(error) => {
                let code = sqlstate(&error).to_owned();
                anyhow::ensure!(RETRYABLE.contains(&code.as_str()), "{sql}: {error:?}");
                life.refused.push(id);
                if agent.client.is_closed() {
                    agent = login.connect().await.context("at the login after a refusal")?;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(life)
}

/// Approves whatever comes, over any node that answers, until it is aborted: the agents' last statements wait for it too.
async fn review(nodes: Vec<Api>) {
    loop {
        for api in &nodes {
            let Ok(page) = api.get("/v1/holds?state=pending&limit=1000").await else { continue };
            for hold in page.items() {
                api.decide(hold, "approve").await.ok();
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Kills the leader under the load of the agents at the other nodes, and starts it again.
async fn lose_the_leader(cluster: &mut Cluster, number: u64) -> anyhow::Result<Vec<Life>> {
    let leader = cluster.leader(1).await?;
    let survivors: Vec<usize> = cluster.every_node().filter(|node| *node != leader).collect();
    // One number line for all rounds: an id that came twice would be a doubled write.
    let round = Arc::new(Round { next: AtomicU64::new(number * 1_000_000), ..Round::default() });
    let mut agents = JoinSet::new();
    for agent in 0..AGENTS {
        let node = survivors.get(agent % survivors.len()).context("no survivor")?;
        agents.spawn(live(cluster.login(*node)?, Arc::clone(&round)));
    }
    let apis: anyhow::Result<_> =
        survivors.iter().map(|node| cluster.api(*node, "CS_REVIEWER_TOKEN")).collect();
    let reviewer = tokio::spawn(review(apis?));
    sleep(STEADY).await;
    round.lost.get_or_init(Instant::now);
    cluster.kill(leader).await?;
    sleep(AFTER).await;
    round.stop.store(true, Ordering::Relaxed);
    let mut lives = Vec::new();
    while let Some(life) = agents.join_next().await {
        lives.push(life??);
    }
    reviewer.abort();
    cluster.start_node(leader).await?;
    Ok(lives)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_the_leader_is_a_pause_for_the_agents_of_the_other_nodes() {
    let rounds =
        std::env::var("CS_LEADER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut cluster = Cluster::start().await.unwrap();
    let mut lives = Vec::new();
    let mut worst_of_rounds = Vec::new();
    for round in 0..rounds {
        let round = lose_the_leader(&mut cluster, round).await.unwrap();
        worst_of_rounds.extend(round.iter().filter_map(|life| life.pause).map(|p| p.lasted).max());
        lives.extend(round);
    }
    assert!(lives.iter().any(|life| !life.written.is_empty()), "no held write came through");
    let rows = cluster.postgres.truth().await.unwrap();
    let rows = rows.query("SELECT id FROM written", &[]).await.unwrap();
    let there: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let statements = cluster.postgres.statements().unwrap();
    let executed = executions(&statements);
    for id in lives.iter().flat_map(|life| &life.written) {
        assert!(there.contains(id), "{id} was acknowledged and is not there");
        assert_eq!(executed.get(id.as_str()), Some(&1), "{id}");
    }
    // What was refused as "try again" must not have been done.
    for id in lives.iter().flat_map(|life| &life.refused) {
        assert_eq!(executed.get(id.as_str()), None, "{id} was refused, and executed");
    }
    report(&lives, &worst_of_rounds);
    cluster.check_logs(PEER_LOSS).unwrap();
}

/// How often each id is the literal of a statement.
fn executions(statements: &[String]) -> HashMap<&str, usize> {
    let mut counted = HashMap::new();
    for id in statements.iter().filter_map(|statement| statement.split('\'').nth(1)) {
        *counted.entry(id).or_default() += 1;
    }
    counted
}

fn report(lives: &[Life], worst_of_rounds: &[Duration]) {
    let pauses = |statement: Option<Statement>| -> Vec<Duration> {
        let pauses = lives.iter().filter_map(|life| life.pause);
        let wanted = pauses.filter(|pause| statement.is_none_or(|s| pause.ended_by == s));
        wanted.map(|pause| pause.lasted).collect()
    };
    let refused: usize = lives.iter().map(|life| life.refused.len()).sum();
    let mut stderr = std::io::stderr();
    for (what, pauses) in [
        ("the longest of each round", worst_of_rounds.to_vec()),
        ("agents in an allowed read", pauses(Some(Statement::Read))),
        ("agents in a held write", pauses(Some(Statement::Write))),
    ] {
        let (count, median, worst) = summary(pauses);
        writeln!(stderr, "pause, {what}: median {median:?}, worst {worst:?} of {count}").unwrap();
    }
    writeln!(stderr, "statements refused as to be tried again: {refused}").unwrap();
    let (count, _, worst) = summary(pauses(None));
    assert!(count > 0, "no agent lived through a loss");
    assert!(worst < LONGEST_PAUSE, "{worst:?}");
}

fn summary(mut pauses: Vec<Duration>) -> (usize, Duration, Duration) {
    pauses.sort();
    let at = |index: usize| pauses.get(index).copied().unwrap_or_default();
    (pauses.len(), at(pauses.len() / 2), at(pauses.len().saturating_sub(1)))
}
