//! One run: start a target and a cluster, let agents and reviewers work while faults hit, let the cluster come to rest, and
//! write down what the target and every node then say. Judging is [`crate::invariant`]'s.

use crate::{
    cluster::Cluster,
    fault,
    history::Recorder,
    target::Target,
    traffic::{
        administrator,
        agents::{self, Agent},
        api::Api,
        auditor,
        client::Connector,
        reviewers::Reviewer,
        visitors::{ENTRANCES, Visits},
    },
};
use anyhow::{Context, Result, anyhow, bail};
use countersign_api::audit::AuditEvent;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How long the cluster may take to come to rest after the last fault.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);
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

/// Does the run and returns the folder of its history. Whatever becomes of it, and when a person or the system ends it too,
/// everything that was started is stopped.
pub async fn run(plan: &Plan) -> Result<PathBuf> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let history = plan.dir.join("history");
    std::fs::create_dir_all(&plan.dir)?;
    say("starting a private PostgreSQL");
    let target = Target::start(&plan.dir).await?;
    let cluster = Cluster::new(&plan.dir.join("cluster"), plan.nodes)?;
    let outcome = tokio::select! {
        outcome = under_faults(plan, &cluster, &target, &history) => outcome,
        _ = interrupts.recv() => Err(anyhow!("interrupted")),
        _ = terminations.recv() => Err(anyhow!("asked to end")),
    };
    say("stopping everything");
    let down = cluster.down().await;
    target.stop().await?;
    outcome.and(down).map(|()| history)
}

async fn under_faults(
    plan: &Plan,
    cluster: &Cluster,
    target: &Target,
    history: &Path,
) -> Result<()> {
    say(&format!("starting {} nodes", plan.nodes));
    cluster.up(target.url(), plan.node_binary.as_deref()).await?;
    let recorder = Recorder::create(history, plan.nodes, plan.seed)?;
    let environment = cluster.environment().await?;
    let api = Api::new(environment.clone())?;
    let stop = CancellationToken::new();
    let mut workers = people(plan, &api, &recorder, &stop);
    for (number, (subject, owner)) in (1..=plan.agents).zip(agents::IDENTITIES.iter().cycle()) {
        let token = cluster.agent_token(subject, *owner).await?;
        let connector = Connector::new(environment.clone(), subject, token)?;
        let agent = Agent::new(number, plan.nodes, connector, recorder.clone(), plan.seed);
        workers.spawn(agent.work(stop.clone()));
    }
    for entrance in 1..=ENTRANCES {
        let visits = Visits {
            cluster: cluster.clone(),
            environment: environment.clone(),
            api: api.clone(),
            recorder: recorder.clone(),
            seed: plan.seed,
            entrance,
        };
        workers.spawn(visits.work(stop.clone()));
    }
    say(&format!("{} agents at work; seed {}", plan.agents, plan.seed));
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

/// Reviewers, the administrator and the auditor.
fn people(
    plan: &Plan,
    api: &Api,
    recorder: &Recorder,
    stop: &CancellationToken,
) -> JoinSet<Result<()>> {
    let (nodes, seed) = (plan.nodes, plan.seed);
    let mut workers = JoinSet::new();
    for known in Reviewer::ALL {
        let reviewer = Reviewer::new(*known, nodes, api.clone(), recorder.clone(), seed);
        workers.spawn(reviewer.work(stop.clone()));
    }
    workers.spawn(administrator::work(nodes, api.clone(), recorder.clone(), seed, stop.clone()));
    workers.spawn(auditor::work(nodes, api.clone(), recorder.clone(), seed, stop.clone()));
    workers
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
    let end = Instant::now() + SETTLES_WITHIN;
    loop {
        match trails(cluster, api).await {
            Ok(trails) if at_rest(&trails) || Instant::now() > end => {
                for (node, events) in (1..).zip(&trails) {
                    recorder.write_audit(node, events)?;
                }
                return recorder.write_rows(&target.rows().await?);
            }
            Err(error) if Instant::now() > end => {
                bail!(
                    "the cluster did not come back within {} s: {error:#}",
                    SETTLES_WITHIN.as_secs()
                )
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
