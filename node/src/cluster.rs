//! Belonging to a cluster: initialising one, joining one, coming back to one.
//!
//! Agreed with [`crate::serve`]: after the API listener is up, [`start`] opens the data directory of a member, or joins, or
//! waits until `POST /v1/cluster/init` has made a cluster. Its [`Member`] is what `serve` makes the gate and the node of.
//! How entries get from node to node is not decided here but in `raft-store`; the authority made here signs certificates of
//! the peer plane and nothing else.

mod authority;
mod bootstrap;
mod certificates;
mod change;
mod directory;
mod engine;
mod error;
mod founding;
mod join;
mod join_token;
mod keeper;
mod key;
mod membership;
pub mod recovery;
mod retire;

pub use bootstrap::{Bootstrap, InitOrder};
pub use certificates::Made;
pub use directory::MemberFile;
pub use error::ClusterError;
pub use join_token::{JOIN_PREFIX, JoinTokenText};
pub use key::{ClusterKey, Purpose};
pub use membership::{
    EnginePlan, Figures, MemberStatus, Membership, MembershipError, StartEngine, Started,
};

pub(crate) use authority::Authority;
pub(crate) use bootstrap::NotTaken;
#[cfg(test)]
pub(crate) use certificates::authority as make_peer_authority;
pub(crate) use change::{Change, NotNow, warning};
pub(crate) use retire::{NotRetired, may, retire};

use crate::app::App;
use countersign_core::id::NodeId;
use countersign_raft_store::handle::Store;
use directory::Directory;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

/// How long the bootstrap token counts.
const BOOTSTRAP_LIFE: Duration = Duration::from_hours(1);
/// What the bootstrap administrator's token begins with.
pub const BOOTSTRAP_PREFIX: &str = "cs-bootstrap.";

/// A node that belongs to a cluster.
#[derive(Debug)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// The replicated state.
    pub store: Store,
    /// Who belongs to the cluster, and changing that.
    pub membership: Arc<dyn Membership>,
    /// The cluster's key.
    pub cluster_key: Arc<ClusterKey>,
    /// Held by whoever changes the membership from this node.
    pub changes: Arc<Mutex<()>>,
}

/// How long a leader that leaves waits for another one.
const HAND_OVER: Duration = Duration::from_secs(2);
/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Member {
    /// Gives the leadership away where it can.
    pub async fn hand_over(&self) {
        let leads = || self.store.status().leader == Some(self.id);
        if leads() {
            let members = self.membership.members();
            let others = members.into_iter().filter(|(id, member)| member.voter && *id != self.id);
            if let Some((to, _)) = others.max_by_key(|(_, member)| member.matching)
                && let Err(error) = self.membership.transfer_leader(to).await
            {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "the leadership was not given away"
                );
            }
            let until = Instant::now() + HAND_OVER;
            while leads() && Instant::now() < until {
                sleep(LOOK_EVERY / 10).await;
            }
        }
    }

    /// Waits until a peer says that this node was removed.
    pub async fn turned_away(&self) {
        while !self.membership.was_turned_away() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the engine has stopped by itself.
    pub async fn stopped(&self) {
        while self.membership.is_running() {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the data directory belongs to a node that is in a cluster.
pub fn is_member(data_dir: &Path) -> bool {
    Directory::is_member(data_dir)
}

/// Belongs to a cluster when it returns, however long that takes.
pub async fn start(app: &Arc<App>) -> Result<Member, ClusterError> {
    start_with(app, &engine::Replicated).await
}

/// The same, with an engine of the caller's choice.
pub async fn start_with(app: &Arc<App>, engine: &dyn StartEngine) -> Result<Member, ClusterError> {
    let directory = Directory::open(&app.config.data_dir).await?;
    let member = match directory.member().await? {
        Some(known) => come_back(app, &directory, engine, known).await?,
        None if app.config.cluster.join.is_empty() => {
            founding::wait(app, &directory, engine).await?
        }
        None => join::join(app, &directory, engine).await?,
    };
    // A join was asked for this id beforehand; another node may have been faster.
    if let Some(wanted) = app.config.node_id.filter(|wanted| *wanted != member.id.0) {
        member.membership.shutdown().await;
        return Err(ClusterError::OtherNode { wanted, found: member.id.0 });
    }
    keeper::start(Arc::clone(app), &member);
    Ok(member)
}

async fn come_back(
    app: &App,
    directory: &Directory,
    engine: &dyn StartEngine,
    known: MemberFile,
) -> Result<Member, ClusterError> {
    directory.has_log()?;
    let cluster_key = Arc::new(directory.cluster_key().await?);
    let plan = directory.engine_plan(app, &known).await?;
    let Started { store, membership } = engine.start(plan).await.map_err(ClusterError::Engine)?;
    let changes = Arc::default();
    let member = Member { id: NodeId(known.node), store, membership, cluster_key, changes };
    if let Err(error) = recovery::carry_out(app, directory, &member).await {
        member.membership.shutdown().await;
        return Err(error);
    }
    Ok(member)
}

#[cfg(test)]
mod tests;
