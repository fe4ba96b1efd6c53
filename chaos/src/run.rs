//! One run: start a target and a cluster, let agents and reviewers work while faults hit, let the cluster come to rest, and
//! write down what the target and every node then say. Judging is [`crate::invariant`]'s.

use crate::{
    cluster::Cluster,
    fault,
    history::Recorder,
    target::Target,
    traffic::{
        agents::Agent,
        client::Connector,
        reviewers::{Api, Reviewer},
    },
};
use anyhow::{Context, Result, bail};
use countersign_api::audit::AuditEvent;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long the cluster may take to come to rest after the last fault.
const REST: Duration = Duration::from_mins(1);
/// Time between two looks at the cluster while it comes to rest.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(15);

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the history and the cluster's data go.
    pub dir: PathBuf,
    /// How many nodes.
    pub nodes: usize,
    /// How many agents.
    pub agents: usize,
    /// How long faults and traffic last.
    pub lasts: Duration,
    /// What every choice is derived from.
    pub seed: u64,
    /// An executable to be run instead of `countersign`.
    pub node_binary: Option<PathBuf>,
}

/// Does the run and returns the folder of its history.
pub async fn run(plan: &Plan) -> Result<PathBuf> {
    let history = plan.dir.join("history");
    std::fs::create_dir_all(&plan.dir)?;
    say("starting a private PostgreSQL");
    let target = Target::start(&plan.dir).await?;
    say(&format!("starting {} nodes", plan.nodes));
    let outcome = match Cluster::up(
        &plan.dir.join("cluster"),
        plan.nodes,
        target.url(),
        plan.node_binary.as_deref(),
    )
    .await
    {
        Ok(cluster) => {
            let outcome = under_faults(plan, &cluster, &target, &history).await;
            cluster.down().await.and(outcome)
        }
        Err(error) => Err(error),
    };
    target.stop().await?;
    outcome.map(|()| history)
}

async fn under_faults(
    plan: &Plan,
    cluster: &Cluster,
    target: &Target,
    history: &Path,
) -> Result<()> {
    let recorder = Recorder::create(history)?;
    let environment = cluster.environment().await?;
    let connector = Connector::new(environment.clone())?;
    let api = Api::new(environment)?;
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in 1..=plan.agents {
        let agent = Agent::new(number, plan.nodes, connector.clone(), recorder.clone(), plan.seed);
        workers.spawn(agent.work(stop.clone()));
    }
    for known in Reviewer::ALL {
        let reviewer = Reviewer::new(*known, plan.nodes, api.clone(), recorder.clone(), plan.seed);
        workers.spawn(reviewer.work(stop.clone()));
    }
    say(&format!(
        "{} agents and {} reviewers at work; seed {}",
        plan.agents,
        Reviewer::ALL.len(),
        plan.seed
    ));
    let timer = CancellationToken::new();
    let faults = async {
        let injected =
            fault::inject(cluster, &recorder, StdRng::seed_from_u64(plan.seed), &timer).await;
        timer.cancel();
        injected
    };
    let (injected, ()) = tokio::join!(faults, last(plan.lasts, &timer, &recorder));
    stop.cancel();
    while let Some(worker) = workers.join_next().await {
        worker.context("a worker panicked")??;
    }
    injected?;
    write_down(cluster, target, &api, &recorder).await
}

async fn last(span: Duration, timer: &CancellationToken, recorder: &Recorder) {
    let end = Instant::now() + span;
    while Instant::now() < end && !timer.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(PROGRESS.min(end - Instant::now())) => {}
            () = timer.cancelled() => {}
        }
        say(&format!("{:>4} s", recorder.now_ms() / 1000));
    }
    timer.cancel();
}

/// Waits until every node tells the same trail and every intent has its outcome, then writes everything down.
async fn write_down(
    cluster: &Cluster,
    target: &Target,
    api: &Api,
    recorder: &Recorder,
) -> Result<()> {
    say("letting the cluster come to rest");
    let end = Instant::now() + REST;
    loop {
        match trails(cluster, api).await {
            Ok(trails) if at_rest(&trails) || Instant::now() > end => {
                for (node, events) in (1..).zip(&trails) {
                    recorder.write_audit(node, events)?;
                }
                return recorder.write_rows(&target.rows().await?);
            }
            Err(error) if Instant::now() > end => {
                bail!("the cluster did not come back within {} s: {error:#}", REST.as_secs())
            }
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn trails(cluster: &Cluster, api: &Api) -> Result<Vec<Vec<AuditEvent>>> {
    let mut trails = Vec::new();
    for node in 1..=cluster.nodes() {
        trails
            .push(api.audit(node).await.with_context(|| format!("read the trail of node {node}"))?);
    }
    Ok(trails)
}

fn at_rest(trails: &[Vec<AuditEvent>]) -> bool {
    let Some(first) = trails.first() else { return false };
    let count = |kind: &str| first.iter().filter(|event| event.kind == kind).count();
    count("intent") == count("outcome")
        && trails.iter().all(|trail| {
            trail.last().map(|event| &event.hash) == first.last().map(|event| &event.hash)
        })
}

#[expect(clippy::print_stdout, reason = "progress for the person who runs this")]
fn say(line: &str) {
    println!("{line}");
}
