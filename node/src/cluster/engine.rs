//! The engine of `raft-store` in the words of this part.

use super::{EnginePlan, Figures, MemberStatus, Membership, MembershipError, StartEngine, Started};
use crate::recording::{PeerError, SegmentPeers};
use countersign_core::{
    id::{LogIndex, NodeId},
    recording::SegmentDigest,
};
use countersign_raft_store::{
    ClusterName, EngineConfig, Member, StorageId, TlsMaterial,
    engine::{self, Engine, SegmentShelf, Timings},
    handle::{BoxFuture, Store},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;

/// How long a peer may take to keep segments of recordings, or to give one.
const SEGMENT_WITHIN: Duration = Duration::from_secs(2);

/// Starts the engine of `raft-store`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replicated;

impl StartEngine for Replicated {
    fn start(
        &self,
        plan: EnginePlan,
    ) -> BoxFuture<'_, Result<Started, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(plan.listen).await?;
            let (store, engine) = Store::start(config(plan)?, listener).await?;
            Ok(Started { store, membership: Arc::new(Members(engine)) })
        })
    }
}

fn config(plan: EnginePlan) -> Result<EngineConfig, Box<dyn std::error::Error + Send + Sync>> {
    let tls = TlsMaterial {
        authority_pem: plan.ca_pem,
        chain_pem: plan.certificate_pem,
        key_pem: plan.key_pem,
    };
    let name = ClusterName::new(&plan.cluster_name)?;
    let mut config = EngineConfig::new(plan.folder, name, plan.node.0, tls);
    config.storage = plan.storage.map(StorageId);
    config.peer_overrides = plan.peer_overrides;
    let (election_min, election_max) = plan.election;
    config.timings = Timings { heartbeat: plan.heartbeat, election_min, election_max };
    Ok(config)
}

/// The membership of a running engine.
#[derive(Debug)]
struct Members(Arc<Engine>);

impl Membership for Members {
    fn initialise(&self, address: String) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move {
            let member = Member { address, storage: self.0.storage() };
            let members = BTreeMap::from([(self.0.node(), member)]);
            self.0.initialize(members).await.map_err(unchanged)
        })
    }

    fn add_learner(
        &self,
        node: NodeId,
        address: String,
        storage: [u8; 16],
    ) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move {
            let member = Member { address, storage: StorageId(storage) };
            self.0.add_learner(node.0, member).await.map_err(unchanged)
        })
    }

    fn promote(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move { self.0.promote(BTreeSet::from([node.0])).await.map_err(unchanged) })
    }

    fn demote(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move { self.0.demote(BTreeSet::from([node.0])).await.map_err(unchanged) })
    }

    fn hand_vote(&self, from: NodeId, to: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move { self.0.hand_vote(from.0, to.0).await.map_err(unchanged) })
    }

    fn remove(&self, node: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move { self.0.remove(BTreeSet::from([node.0])).await.map_err(unchanged) })
    }

    fn transfer_leader(&self, to: NodeId) -> BoxFuture<'_, Result<(), MembershipError>> {
        Box::pin(async move { self.0.transfer_leader(to.0).await.map_err(unchanged) })
    }

    fn members(&self) -> BTreeMap<NodeId, MemberStatus> {
        let peers = self.0.status().peers.into_iter();
        peers
            .map(|(id, peer)| {
                let matching = peer.matching.map(LogIndex);
                let applied = peer.applied.map(LogIndex);
                let (address, voter) = (peer.member.address, peer.voter);
                let silent_for = peer.silent_for;
                (NodeId(id), MemberStatus { address, voter, matching, applied, silent_for })
            })
            .collect()
    }

    fn snapshot(&self) -> BoxFuture<'_, io::Result<File>> {
        Box::pin(self.0.snapshot())
    }

    fn figures(&self) -> Figures {
        let status = self.0.status();
        Figures {
            committed: LogIndex(status.committed.unwrap_or_default()),
            lease_left: self.0.lease().check().ok().map(|left| left.0),
            flush_p99: status.flush_p99,
            disk_p99: status.disk_sync_p99,
        }
    }

    fn segment_peers(&self) -> Arc<dyn SegmentPeers> {
        Arc::new(Peers(Arc::clone(&self.0)))
    }

    fn serve_segments(&self, shelf: Arc<dyn SegmentShelf>) {
        self.0.serve_segments(shelf);
    }

    fn is_running(&self) -> bool {
        self.0.status().running
    }

    fn was_turned_away(&self) -> bool {
        self.0.status().turned_away
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.shutdown())
    }
}

/// The other members as places of segments.
#[derive(Debug)]
struct Peers(Arc<Engine>);

impl SegmentPeers for Peers {
    fn others(&self) -> Vec<NodeId> {
        let members = self.0.status().peers.into_keys();
        members.filter(|id| *id != self.0.node()).map(NodeId).collect()
    }

    fn keep(
        &self,
        to: NodeId,
        segments: Vec<(SegmentDigest, Arc<[u8]>)>,
    ) -> BoxFuture<'_, Result<(), PeerError>> {
        Box::pin(async move {
            let segments = segments.iter().map(|(digest, bytes)| (digest.0, bytes.to_vec()));
            let kept = self.0.keep_segments(to.0, segments.collect(), SEGMENT_WITHIN).await;
            kept.map_err(|error| PeerError(error.to_string()))
        })
    }

    fn fetch(
        &self,
        from: NodeId,
        digest: SegmentDigest,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, PeerError>> {
        Box::pin(async move {
            let fetched = self.0.fetch_segment(from.0, digest.0, SEGMENT_WITHIN).await;
            fetched.map_err(|error| PeerError(error.to_string()))
        })
    }
}

fn unchanged(error: engine::MembershipError) -> MembershipError {
    match error {
        engine::MembershipError::NotLeader(leader) => {
            MembershipError::NotLeader { leader: leader.map(NodeId) }
        }
        engine::MembershipError::NoQuorum => MembershipError::NoQuorum,
        engine::MembershipError::UsedNumber(_) | engine::MembershipError::Refused(_) => {
            MembershipError::Refused { reason: error.to_string() }
        }
    }
}
