//! Faults that hit one node at a time, so that a majority is always left; each begins, lasts, and ends.
//! What is broken is always a real thing: a process, or the links between nodes. Nothing is simulated here.

use crate::{
    cluster::Cluster,
    history::{Entry, Phase, Recorder},
};
use anyhow::Result;
use rand::rngs::StdRng;
use schedule::{Schedule, Step};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

mod schedule;

/// When the lease of a node that was cut off has run out: five seconds from its question, and one for the clocks of the run.
pub const PAST_LEASE_MS: u64 = 6_000;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, then a start with the same data.
    Kill,
    /// SIGSTOP, then SIGCONT: the process believes that no time has passed.
    Freeze,
    /// SIGTERM: a drain, then a start.
    Restart,
    /// The node neither hears nor is heard by its peers.
    Partition,
    /// The node hears its peers and is not heard.
    PartitionOut,
    /// The node is heard and hears nothing.
    PartitionIn,
}

impl Fault {
    /// Every fault.
    pub const ALL: &[Self] = &[
        Self::Kill,
        Self::Freeze,
        Self::Restart,
        Self::Partition,
        Self::PartitionOut,
        Self::PartitionIn,
    ];

    /// The name in histories and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Restart => "restart",
            Self::Partition => "partition",
            Self::PartitionOut => "partition-out",
            Self::PartitionIn => "partition-in",
        }
    }

    /// Whether it cuts a node off from its peers while its agents still reach it.
    pub const fn cuts(self) -> bool {
        match self {
            Self::Partition | Self::PartitionOut | Self::PartitionIn => true,
            Self::Kill | Self::Freeze | Self::Restart => false,
        }
    }

    async fn begin(self, cluster: &Cluster, node: usize) -> Result<()> {
        match self {
            Self::Kill => cluster.kill(node).await,
            Self::Freeze => cluster.freeze(node).await,
            Self::Restart => cluster.terminate(node).await,
            Self::Partition => cluster.partition(node, None).await,
            Self::PartitionOut => cluster.partition(node, Some("out")).await,
            Self::PartitionIn => cluster.partition(node, Some("in")).await,
        }
    }

    async fn end(self, cluster: &Cluster, node: usize) -> Result<()> {
        match self {
            Self::Kill | Self::Restart => cluster.start(node).await,
            Self::Freeze => cluster.thaw(node).await,
            Self::Partition | Self::PartitionOut | Self::PartitionIn => cluster.heal().await,
        }
    }
}

/// Breaks one node after another until `stop`, and not before every fault was there once.
pub async fn inject(
    cluster: &Cluster,
    recorder: &Recorder,
    rng: StdRng,
    stop: &CancellationToken,
) -> Result<()> {
    let mut schedule = Schedule::new(rng, cluster.nodes());
    while let Some(step) = schedule.step(stop) {
        pause(step.quiet_ms, &step.stop).await;
        if step.stop.is_cancelled() {
            return Ok(());
        }
        let Step { fault, node, .. } = step;
        // Written down once it holds, and its end before it ends: a window must not be longer in the history than it was.
        fault.begin(cluster, node).await?;
        note(recorder, fault, node, Phase::Begin)?;
        pause(step.lasts_ms, &step.stop).await;
        note(recorder, fault, node, Phase::End)?;
        fault.end(cluster, node).await?;
    }
    Ok(())
}

fn note(recorder: &Recorder, fault: Fault, node: usize, phase: Phase) -> Result<()> {
    tracing::info!(fault = fault.name(), node, ?phase, "fault");
    recorder.write(&Entry::Fault {
        at_ms: recorder.now_ms(),
        fault: fault.name().to_owned(),
        node,
        phase,
    })
}

async fn pause(span_ms: u64, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(span_ms)) => {}
        () = stop.cancelled() => {}
    }
}
