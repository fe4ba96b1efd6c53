//! Has the chain signed every so often: the leader records that it leads, makes the cluster's first key, and a checkpoint
//! whenever enough events or enough time has gone by since the last one and something has happened.

use super::{SignError, Signer, draw};
use crate::{cluster::ClusterKey, shutdown::Shutdown};
use countersign_core::record::{Claim, ClusterId};
use countersign_raft_store::{
    command::{Command, IntroduceAuditKey, Leads, RecordCheckpoint},
    handle::{ProposeError, StateView, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A checkpoint is due after so many events,
const EVERY_EVENTS: u64 = 1_000;
/// or when the last one is so old, in milliseconds of log time.
const EVERY_MS: u64 = 60_000;

/// What is to be done.
enum Due {
    Nothing,
    Leads,
    Key(Box<IntroduceAuditKey>),
    Checkpoint(Box<RecordCheckpoint>),
}

/// Looks until the node stops. Every node does; only the leader acts.
pub(crate) async fn keep(store: Store, key: Arc<ClusterKey>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        let status = store.status();
        if status.leader == Some(status.node) {
            let leads = Leads { node: status.node, term: status.term };
            step(&store, leads, Arc::clone(&key)).await;
        }
    }
}

async fn step(store: &Store, leads: Leads, key: Arc<ClusterKey>) {
    let reading = store.clone();
    let due = tokio::task::spawn_blocking(move || due(&reading.view()?, leads, &key));
    let proposed = match due.await {
        Ok(Ok(due)) => propose(store, leads, due).await,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit is not signed");
            return;
        }
        Err(_stopped) => return,
    };
    if let Err(error) = proposed {
        // The next look tries again, here or on the next leader.
        tracing::info!(error = &error as &dyn std::error::Error, "no checkpoint this time");
    }
}

fn due(view: &StateView, leads: Leads, key: &ClusterKey) -> Result<Due, SignError> {
    let Some(cluster) = view.cluster()? else { return Ok(Due::Nothing) };
    if view.leader_term()? < leads.term {
        return Ok(Due::Leads);
    }
    let Some(signer) = Signer::in_force(view, key)? else {
        return Ok(Due::Key(Box::new(draw(ClusterId(cluster.id), key, None, None)?)));
    };
    let (head, now) = (view.chain_head()?, view.log_time()?);
    if let Some(last) = view.checkpoint()? {
        let said = last.signed.statement;
        let events = head.sequence.saturating_sub(said.head.sequence);
        let nothing_new = head.sequence <= last.sequence;
        if nothing_new || (events < EVERY_EVENTS && now < said.at.after_ms(EVERY_MS)) {
            return Ok(Due::Nothing);
        }
    }
    let signed = signer.say(Claim::Checkpoint, head, now)?;
    Ok(Due::Checkpoint(Box::new(RecordCheckpoint { signed, asked: None })))
}

async fn propose(store: &Store, leads: Leads, due: Due) -> Result<(), ProposeError> {
    match due {
        Due::Nothing => Ok(()),
        Due::Leads => store.propose(&Command::Leads(leads)).await.map(drop),
        Due::Key(command) => store.introduce_audit_key(*command).await.map(drop),
        Due::Checkpoint(command) => store.record_checkpoint(*command).await.map(drop),
    }
}
