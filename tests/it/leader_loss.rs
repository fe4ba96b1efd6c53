//! The leader dies under load: a pause, nothing lost, nothing doubled, no error but a clear retryable one.
//!
//! `COUNTERSIGN_LEADER_ROUNDS` says how often the leader is killed (default 2); the pauses go to stderr.

use anyhow::Context as _;
use countersign_tests::{
    agent::{Login, sqlstate},
    api::Api,
    cluster::Cluster,
};
use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const AGENTS: usize = 16;
/// Load before the first and after each loss.
const STEADY: Duration = Duration::from_secs(3);
/// What nobody should have to wait for, on a machine that runs nothing else.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long one statement of an agent may take; longer counts as hanging.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(30);

/// What may be said while there is no leader; every one of them says "try again".
const RETRYABLE: &[&str] = &["57P03", "57014", "53300", "57P01"];

/// What the survivors may log.
const PEER_LOSS: &[&str] = &[
    "peer",
    "replicat",
    "vote",
    "heartbeat",
    "election",
    "unreachable",
    "connect",
    "leader",
    "lease",
    "quorum",
];

#[derive(Debug, Default)]
struct Tally {
    stop: AtomicBool,
    next: AtomicU64,
}

/// What one agent lived through.
#[derive(Debug, Default)]
struct Life {
    written: Vec<String>,
    retried: usize,
    longest_pause: Duration,
    unexpected: Vec<String>,
}

async fn live(login: Login, tally: Arc<Tally>) -> anyhow::Result<Life> {
    let mut life = Life::default();
    let mut agent = login.connect().await?;
    let mut last = Instant::now();
    while !tally.stop.load(Ordering::Relaxed) {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("leader-{number}");
        let sql = if number.is_multiple_of(8) {
            format!("INSERT INTO written (id) VALUES ('{id}')")
        } else {
            "SELECT id FROM orders WHERE id = 1".to_owned()
        };
        let done = timeout(STATEMENT_DEADLINE, agent.client.batch_execute(&sql));
        match done.await.with_context(|| format!("`{sql}` hangs"))? {
            Ok(()) => {
                life.longest_pause = life.longest_pause.max(last.elapsed());
                last = Instant::now();
                if number.is_multiple_of(8) {
                    life.written.push(id);
                }
            }
            Err(error) if RETRYABLE.contains(&sqlstate(&error)) => {
                life.retried += 1;
                if agent.client.is_closed() {
                    match login.connect().await {
                        Ok(again) => agent = again,
                        Err(error) => life.unexpected.push(format!("at login: {error:#}")),
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => {
                life.unexpected.push(format!("{sql}: {error:?}"));
                agent = login.connect().await?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_the_leader_is_a_pause_for_the_agents_of_the_other_nodes() {
    let rounds = std::env::var("COUNTERSIGN_LEADER_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    let mut cluster = Cluster::start().await.unwrap();
    let mut pauses = Vec::new();
    let mut written = Vec::new();
    for round in 0..rounds {
        let leader = cluster.leader(1).await.unwrap();
        let survivors: Vec<usize> = cluster.every_node().filter(|node| *node != leader).collect();
        // One number line for all rounds: an id that came twice would be a doubled write.
        let tally = Arc::new(Tally { next: AtomicU64::new(round * 1_000_000), ..Tally::default() });
        let mut agents = JoinSet::new();
        for number in 0..AGENTS {
            let node = survivors[number % survivors.len()];
            agents.spawn(live(cluster.login(node).unwrap(), Arc::clone(&tally)));
        }
        let apis =
            survivors.iter().map(|node| cluster.api(*node, "CS_REVIEWER_TOKEN").unwrap()).collect();
        let reviewer = tokio::spawn(review(apis));
        sleep(STEADY).await;
        cluster.kill(leader).await.unwrap();
        sleep(STEADY + Duration::from_secs(3)).await;
        tally.stop.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        while let Some(life) = agents.join_next().await {
            let life = life.unwrap().unwrap();
            assert!(life.unexpected.is_empty(), "{:?}", life.unexpected);
            longest = longest.max(life.longest_pause);
            written.extend(life.written);
        }
        reviewer.abort();
        pauses.push(longest);
        cluster.start_node(leader).await.unwrap();
    }
    assert!(!written.is_empty(), "no held write came through");
    let truth = cluster.postgres.truth().await.unwrap();
    let rows = truth.query("SELECT id FROM written", &[]).await.unwrap();
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for id in &written {
        assert!(there.contains(id), "{id} was acknowledged and is not there");
        let executed = cluster.postgres.received(&format!("'{id}'")).unwrap();
        assert_eq!(executed, 1, "{id} was executed {executed} times");
    }
    report(&mut pauses);
    cluster.check_logs(PEER_LOSS).unwrap();
}

fn report(pauses: &mut [Duration]) {
    pauses.sort();
    let median = pauses[pauses.len() / 2];
    let worst = pauses[pauses.len() - 1];
    let mut stderr = std::io::stderr();
    writeln!(
        stderr,
        "pause at the loss of a leader: median {median:?}, worst {worst:?} of {}",
        pauses.len()
    )
    .unwrap();
    assert!(worst < LONGEST_PAUSE, "{pauses:?}");
}
