//! Who belongs to the cluster: taking a node out, putting one in another's place, giving one its vote. On the leader, which
//! alone knows whom it can count on; another node says where to ask. That a node comes in is `cluster`'s business.

use super::{
    Api,
    caller::Caller,
    cluster::{recorded, seen, unchanged},
    failure::{Answer, Failure},
    input::Body,
    reading,
};
use crate::{
    app::Node,
    cluster::{Change, NotNow, NotRetired, may, retire},
};
use axum::{Json, extract::State};
use countersign_api::{
    cluster::{Cluster, PromoteRequest, RemoveRequest, ReplaceRequest},
    problem::{Problem, ProblemKind},
};
use countersign_core::id::NodeId;
use countersign_raft_store::{handle::ProposeError, records::NodeState, reply::StateRefusal};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a change may take. What is begun then goes on.
const CHANGE: Duration = Duration::from_secs(25);

/// Takes a node out for good.
#[utoipa::path(post, path = "/v1/cluster/remove", tag = "cluster", request_body = RemoveRequest, responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<RemoveRequest>,
) -> Answer<Json<Cluster>> {
    let old = NodeId(request.node);
    leave(&api, caller, (old, None), format!("remove node {old}")).await
}

/// Puts a node that has caught up in the place of another one, which goes for good.
#[utoipa::path(post, path = "/v1/cluster/replace", tag = "cluster", request_body = ReplaceRequest, responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn replace(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<ReplaceRequest>,
) -> Answer<Json<Cluster>> {
    let (old, new) = (NodeId(request.node), NodeId(request.with));
    leave(&api, caller, (old, Some(new)), format!("replace node {old} by node {new}")).await
}

async fn leave(
    api: &Api,
    caller: Caller,
    (old, new): (NodeId, Option<NodeId>),
    what: String,
) -> Answer<Json<Cluster>> {
    let node = Arc::clone(api.node()?);
    if is_gone(&node, old).await? {
        return Ok(Json(seen(api).await?));
    }
    // Before it is recorded: what is refused was not done.
    may(&node, new.map_or(Change::Remove(old), |new| Change::Replace { old, new }))
        .map_err(refused)?;
    recorded(&node, &caller, what).await?;
    let author = caller.author();
    // A task of its own, so that a caller that hangs up leaves nothing half done.
    let retiring = tokio::spawn(async move { retire(&node, (old, new), author).await });
    finished(timeout(CHANGE, retiring).await)?;
    Ok(Json(seen(api).await?))
}

/// Whether a node was removed, and the log goes on without it.
async fn is_gone(node: &Arc<Node>, old: NodeId) -> Answer<bool> {
    let record = reading::linear(node, None, move |view| Ok(view.node(old)?)).await?;
    let removed = record.is_some_and(|it| matches!(it.state, NodeState::Removed { .. }));
    Ok(removed && !node.membership.members().contains_key(&old))
}

/// Makes a learner that has caught up vote now.
#[utoipa::path(post, path = "/v1/cluster/promote", tag = "cluster", request_body = PromoteRequest, responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn promote(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<PromoteRequest>,
) -> Answer<Json<Cluster>> {
    let node = Arc::clone(api.node()?);
    let learner = NodeId(request.node);
    if node.membership.members().get(&learner).is_some_and(|member| member.voter) {
        return Ok(Json(seen(&api).await?));
    }
    may(&node, Change::Promote(learner)).map_err(refused)?;
    recorded(&node, &caller, format!("promote node {learner}")).await?;
    let promoting = tokio::spawn(async move {
        let _alone = node.membership_changes.lock().await;
        may(&node, Change::Promote(learner))?;
        Ok(node.membership.promote(learner).await?)
    });
    finished(timeout(CHANGE, promoting).await)?;
    Ok(Json(seen(&api).await?))
}

type Ended<T> = Result<Result<T, tokio::task::JoinError>, tokio::time::error::Elapsed>;

fn finished(ended: Ended<Result<(), NotRetired>>) -> Answer<()> {
    match ended {
        Ok(Ok(done)) => done.map_err(refused),
        Ok(Err(_)) | Err(_) => Err(Failure::no_quorum()
            .hint("the change may still be made: look at the cluster, then ask again")),
    }
}

fn refused(error: NotRetired) -> Failure {
    let conflict = |detail: String| Failure::new(ProblemKind::Conflict, detail);
    match error {
        NotRetired::NotLeader(leader) => {
            let leads = leader.map_or("nobody leads".to_owned(), |id| format!("node {id} leads"));
            conflict(format!("this node does not lead: {leads}"))
                .hint("send the request to the leader")
        }
        NotRetired::NotNow(NotNow::NoMember(_)) => {
            Failure::new(ProblemKind::NotFound, error.to_string())
        }
        NotRetired::NotNow(NotNow::Leads(_)) => {
            conflict(error.to_string()).hint("countersignctl cluster transfer-leader")
        }
        NotRetired::NotNow(NotNow::NoQuorum { .. }) => conflict(error.to_string())
            .hint("bring back a node, or let one join; where a majority is lost for good, recover"),
        NotRetired::NotNow(NotNow::Itself | NotNow::Behind(_) | NotNow::LastVoter) => {
            conflict(error.to_string())
        }
        NotRetired::Membership(error) => unchanged(error),
        NotRetired::Propose(ProposeError::Refused(StateRefusal::UnknownNode)) => {
            Failure::new(ProblemKind::NotFound, "there is no such node")
        }
        NotRetired::Propose(error) => error.into(),
        NotRetired::Late => Failure::no_quorum().hint(&error.to_string()),
    }
}
