//! Faults that hit one node at a time, so that a majority is always left; each begins, lasts, and ends.
//! What is broken is always a real thing: a process, or the links between nodes. Nothing is simulated here.

use crate::{
    cluster::Cluster,
    history::{Entry, Phase, Recorder},
};
use anyhow::Result;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, then a start with the same data.
    Kill,
    /// SIGSTOP, then SIGCONT: the process believes that no time has passed.
    Stop,
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
        Self::Stop,
        Self::Restart,
        Self::Partition,
        Self::PartitionOut,
        Self::PartitionIn,
    ];

    /// The name in histories and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Partition => "partition",
            Self::PartitionOut => "partition-out",
            Self::PartitionIn => "partition-in",
        }
    }

    async fn begin(self, cluster: &Cluster, node: usize) -> Result<()> {
        match self {
            Self::Kill => cluster.kill(node).await,
            Self::Stop => cluster.stop(node),
            Self::Restart => cluster.terminate(node).await,
            Self::Partition => cluster.partition(node, None).await,
            Self::PartitionOut => cluster.partition(node, Some("out")).await,
            Self::PartitionIn => cluster.partition(node, Some("in")).await,
        }
    }

    async fn end(self, cluster: &Cluster, node: usize) -> Result<()> {
        match self {
            Self::Kill | Self::Restart => cluster.start(node).await,
            Self::Stop => cluster.resume(node),
            Self::Partition | Self::PartitionOut | Self::PartitionIn => cluster.heal().await,
        }
    }
}

/// Longest life of a fault: longer than a lease, so that a cut-off node is seen to refuse.
const LASTS_MS: std::ops::Range<u64> = 3_000..12_000;
/// Time between faults, in which the cluster comes together again.
const REST_MS: std::ops::Range<u64> = 3_000..7_000;

/// Breaks one node after another until `stop`; every fault comes about equally often, in an order that the seed gives.
pub async fn inject(
    cluster: &Cluster,
    recorder: &Recorder,
    mut rng: StdRng,
    stop: &CancellationToken,
) -> Result<()> {
    let nodes: Vec<usize> = (1..=cluster.nodes()).collect();
    let mut left: Vec<Fault> = Vec::new();
    while !stop.is_cancelled() {
        pause(rng.random_range(REST_MS), stop).await;
        if stop.is_cancelled() {
            return Ok(());
        }
        if left.is_empty() {
            left = Fault::ALL.to_vec();
        }
        let fault = left.swap_remove(rng.random_range(0..left.len()));
        let Some(node) = nodes.choose(&mut rng).copied() else { return Ok(()) };
        note(recorder, fault, node, Phase::Begin)?;
        fault.begin(cluster, node).await?;
        pause(rng.random_range(LASTS_MS), stop).await;
        // The end is written down before it happens: a cut-off window must not be longer in the history than it was.
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
