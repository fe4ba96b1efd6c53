//! The cluster: its state, its beginning, letting nodes in, moving the leadership, draining.

use super::{
    Api,
    caller::Caller,
    failure::{Answer, Failure, not_initialised},
    input::{Asked, Body, Nothing, idempotency_key},
    own_token::{InitToken, KnownJoinToken, not_taken},
    reading,
};
use crate::{
    app::Node,
    clock::now_ms,
    cluster::{Authority, ClusterError, JoinTokenText, MemberStatus, MembershipError, warning},
};
use axum::{Json, extract::State, http::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_api::{
    cluster::{
        Cluster, ClusterNode, DrainAnswer, Epoch, InitAnswer, InitRequest, JoinAnswer, JoinRequest,
        JoinToken, JoinTokenRequest, NodeRole, Peer, TransferRequest,
    },
    problem::{Problem, ProblemKind},
    time::Timestamp,
};
use countersign_core::id::NodeId;
use countersign_raft_store::{
    command::{Administered, CreateJoinToken, UseJoinToken},
    handle::Status,
    limits::MAX_JOIN_TOKEN_LIFE_MS,
    records::{ClusterRecord, JoinFacts, NodeRecord, NodeState, RequestId, Service},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// How long a join token lives when the request does not say, in seconds.
const DEFAULT_TOKEN_SECONDS: u64 = 3600;
/// How long making a cluster may take.
const INIT: Duration = Duration::from_secs(25);
/// How long a transfer of leadership is waited for.
const TRANSFER: Duration = Duration::from_secs(5);
/// How often it is looked whether it happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The cluster as this node sees it. It answers without a quorum too, and says so: nothing is decided on it.
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster", responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<Cluster>> {
    reading::reached(api.node()?, min.get()).await?;
    Ok(Json(seen(&api).await?))
}

pub(super) async fn seen(api: &Api) -> Answer<Cluster> {
    let node = api.node()?;
    let (record, nodes, log_time, revision) = reading::now(node, |view| {
        Ok((view.cluster()?, view.nodes()?, view.log_time()?, view.policy_revision()?))
    })
    .await?;
    let epoch = reading::now(node, |view| Ok(view.epoch()?)).await?;
    let epoch = Epoch {
        number: epoch.number,
        open: epoch.service == Service::Open,
        source: Some(epoch.source).filter(|source| !source.is_empty()),
    };
    let status = node.store.status();
    let quorum = node.store.has_lease();
    let members = member_list(api, node, &status, &nodes);
    let warning = warning(voters_and_majority(&members).0);
    let (tolerates, verdict) = if quorum { tolerance(&members) } else { no_quorum(&members) };
    Ok(Cluster {
        cluster_id: record.as_ref().map(|record| hex::encode(record.id)),
        epoch: Some(epoch),
        name: record.map_or_else(|| api.app.config.cluster.name.clone(), |record| record.name),
        node: node.id.0,
        leader: status.leader.map(|leader| leader.0),
        term: status.term,
        committed_index: node.membership.figures().committed.0,
        applied_index: status.applied.0,
        log_time: log_time.into(),
        clock: Some(Timestamp(now_ms())),
        policy_revision: revision.0,
        nodes: members,
        tolerates,
        quorum,
        verdict,
        warning,
    })
}

fn member_list(
    api: &Api,
    node: &Node,
    status: &Status,
    records: &[NodeRecord],
) -> Vec<ClusterNode> {
    let leads = status.leader == Some(node.id);
    let members = node.membership.members();
    members
        .iter()
        .map(|(id, member)| {
            let start = records.iter().find(|record| record.id == *id).and_then(started);
            let own = *id == node.id;
            let known = if own { Some(status.last) } else { member.matching };
            let lag = known.map(|known| status.last.0.saturating_sub(known.0));
            ClusterNode {
                id: id.0,
                address: member.address.clone(),
                api: start.map(|start| start.api_url.clone()),
                role: role(*id, status, member),
                voter: member.voter,
                // How far the others are is known to the leader alone.
                healthy: own
                    || (member.is_heard()
                        && (!leads || lag.is_some_and(|lag| lag <= MAX_HEALTHY_LAG))),
                last_applied: if own { Some(status.applied.0) } else { known.map(|known| known.0) },
                lag,
                version: start.map(|start| start.version.clone()),
                incarnation: start.map(|start| start.incarnation.0),
                lease_ms: own.then(|| lease_ms(node)),
                disk_sync_ms: own.then(|| disk_sync_ms(node)),
                draining: own.then(|| api.app.is_draining()),
            }
        })
        .collect()
}

/// A follower that is more entries behind than this is not counted on.
const MAX_HEALTHY_LAG: u64 = 1000;

fn disk_sync_ms(node: &Node) -> u64 {
    u64::try_from(node.membership.figures().disk_p99.as_millis()).unwrap_or(u64::MAX)
}

fn lease_ms(node: &Node) -> u64 {
    let left = node.membership.figures().lease_left.unwrap_or_default();
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

fn started(record: &NodeRecord) -> Option<&countersign_raft_store::records::Start> {
    match &record.state {
        NodeState::Started(start) => Some(start),
        NodeState::Admitted | NodeState::Removed { .. } => None,
    }
}

fn role(id: NodeId, status: &Status, member: &MemberStatus) -> NodeRole {
    match (status.leader, member.voter) {
        (Some(leader), _) if leader == id => NodeRole::Leader,
        (_, false) => NodeRole::Learner,
        (Some(_), true) => NodeRole::Follower,
        (None, true) => NodeRole::Unknown,
    }
}

fn voters_and_majority(nodes: &[ClusterNode]) -> (usize, usize) {
    let voters = nodes.iter().filter(|node| node.voter).count();
    (voters, voters / 2 + 1)
}

fn no_quorum(nodes: &[ClusterNode]) -> (u32, String) {
    let (voters, majority) = voters_and_majority(nodes);
    (0, format!("no quorum: {majority} of {voters} voters are needed; everything is refused"))
}

/// How many more voters may fail while there is a quorum, in numbers and in words.
fn tolerance(nodes: &[ClusterNode]) -> (u32, String) {
    let (voters, majority) = voters_and_majority(nodes);
    let up = nodes.iter().filter(|node| node.voter && node.healthy).count();
    let tolerates = up.saturating_sub(majority);
    let failures = if tolerates == 1 { "failure" } else { "failures" };
    let words = format!("tolerates {tolerates} more {failures} ({up} of {voters} voters are up)");
    (u32::try_from(tolerates).unwrap_or(u32::MAX), words)
}

/// Makes a cluster of this node. The bearer is the token in its data directory.
#[utoipa::path(post, path = "/v1/cluster/init", tag = "cluster", request_body = InitRequest, responses((status = 200, body = InitAnswer), (status = "default", body = Problem)))]
pub(crate) async fn init(
    State(api): State<Api>,
    InitToken(token): InitToken,
    Body(request): Body<InitRequest>,
) -> Answer<Json<InitAnswer>> {
    if let Some(name) = &request.name {
        check_cluster_name(name)?;
    }
    match timeout(INIT, api.app.bootstrap.init(&token, request.name)).await {
        Ok(Ok(answer)) => Ok(Json(answer)),
        Ok(Err(why)) => Err(not_taken(why)),
        Err(_late) => Err(Failure::new(ProblemKind::Conflict, "the cluster was not made in time")
            .hint("the node's log says why")),
    }
}

/// RFC 1035, section 2.3.1: the name is a label of the names in the nodes' certificates.
fn check_cluster_name(name: &str) -> Answer<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&name.len()) && name.chars().all(plain);
    if fits && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::Invalid,
        "a cluster's name is 1 to 63 lower-case letters, digits and inner hyphens",
    ))
}

/// Makes a one-time join token.
#[utoipa::path(post, path = "/v1/cluster/tokens", tag = "cluster", params(("idempotency-key" = Option<String>, Header)), request_body = JoinTokenRequest, responses((status = 200, body = JoinToken), (status = "default", body = Problem)))]
pub(crate) async fn create_token(
    State(api): State<Api>,
    headers: HeaderMap,
    caller: Caller,
    Body(request): Body<JoinTokenRequest>,
) -> Answer<Json<JoinToken>> {
    let node = api.node()?;
    let seconds = request.expires_in_seconds.unwrap_or(DEFAULT_TOKEN_SECONDS);
    let expires_after_ms = seconds.saturating_mul(1000);
    if seconds == 0 || expires_after_ms > MAX_JOIN_TOKEN_LIFE_MS {
        return Err(Failure::new(
            ProblemKind::Invalid,
            "a join token lives from a second to a day",
        ));
    }
    let cluster = cluster_record(node).await?;
    let ca_sha256 = Authority::of(&cluster, &node.cluster_key).sha256().map_err(broken)?;
    let author = caller.author();
    let (id, secret) = match idempotency_key(&headers)? {
        // The same key gives the same token, on any node.
        Some(key) => {
            let who = author.identity.to_string();
            let part =
                |name: &[u8]| node.cluster_key.derive(&[name, who.as_bytes(), key.as_bytes()]);
            (part(b"join-token-id"), part(b"join-token-secret"))
        }
        None => (rand::random::<[u8; 8]>().to_vec(), rand::random::<[u8; 32]>().to_vec()),
    };
    let token = JoinTokenText::new(id.get(..8).unwrap_or(&id), &secret, ca_sha256);
    let sha256 = token.sha256();
    reading::committed(node.store.create_join_token(CreateJoinToken {
        sha256,
        expires_after_ms,
        author,
    }))
    .await?;
    let record = reading::now(node, move |view| Ok(view.join_token(&sha256)?)).await?;
    let expires_at = record
        .ok_or_else(|| Failure::new(ProblemKind::Conflict, "the token has expired already"))?
        .expires_at;
    Ok(Json(JoinToken {
        token: token.expose(),
        id: token.id().to_owned(),
        expires_at: expires_at.into(),
    }))
}

async fn cluster_record(node: &Arc<Node>) -> Answer<ClusterRecord> {
    reading::linear(node, None, |view| view.cluster()?.ok_or_else(not_initialised)).await
}

fn broken(error: ClusterError) -> Failure {
    Failure::internal("the peer authority cannot be used", &error)
}

/// Lets a node in. The bearer is a join token.
#[utoipa::path(post, path = "/v1/cluster/join", tag = "cluster", request_body = JoinRequest, responses((status = 200, body = JoinAnswer), (status = "default", body = Problem)))]
pub(crate) async fn join(
    State(api): State<Api>,
    KnownJoinToken(token): KnownJoinToken,
    Body(request): Body<JoinRequest>,
) -> Answer<Json<JoinAnswer>> {
    let node = api.node()?;
    let facts = facts(&request)?;
    let cluster = cluster_record(node).await?;
    let authority = Authority::of(&cluster, &node.cluster_key);
    if authority.sha256().map_err(broken)? != *token.ca_sha256() {
        return Err(Failure::new(
            ProblemKind::NotIdentified,
            "the join token is of another cluster",
        ));
    }
    if let Some(wanted) = request.node_id {
        expect_id(node, token.sha256(), NodeId(wanted)).await?;
    }
    let command = UseJoinToken { sha256: token.sha256(), facts };
    let admitted = reading::committed(node.store.use_join_token(command)).await?.value;
    let certificate = authority.sign(&request.csr, admitted).map_err(broken)?;
    let members = node.membership.members();
    let peers = members
        .into_iter()
        .map(|(id, member)| Peer { id: id.0, address: member.address })
        .collect();
    Ok(Json(JoinAnswer {
        node: admitted.0,
        cluster_id: hex::encode(cluster.id),
        cluster_name: cluster.name.clone(),
        ca: cluster.ca_cert_pem.clone(),
        certificate,
        cluster_key: STANDARD.encode(node.cluster_key.expose()),
        peers,
    }))
}

/// Looks whether the node would get the id that its configuration wants, before its token is used. Two nodes that join at
/// the same moment may both pass; the one that gets another id says so itself.
async fn expect_id(node: &Arc<Node>, sha256: [u8; 32], wanted: NodeId) -> Answer<()> {
    let next = reading::linear(node, None, move |view| {
        let used = view.join_token(&sha256)?.and_then(|token| token.used_by);
        let last = view.nodes()?.into_iter().map(|record| record.id.0).max().unwrap_or_default();
        Ok(used.unwrap_or(NodeId(last + 1)))
    })
    .await?;
    if next == wanted {
        return Ok(());
    }
    Err(Failure::new(
        ProblemKind::Conflict,
        format!("the node wants id {}, and the cluster would give it {}", wanted.0, next.0),
    )
    .hint("the token was not used: correct `node_id`, or leave it out"))
}

fn facts(request: &JoinRequest) -> Answer<JoinFacts> {
    let invalid = |detail: &str| Failure::new(ProblemKind::Invalid, detail);
    let key_sha256 = Authority::requested_key(&request.csr)
        .map_err(|_| invalid("`csr` is not a signed PKCS #10 request in PEM"))?;
    let mut storage = [0; 16];
    hex::decode_to_slice(&request.storage, &mut storage)
        .map_err(|_| invalid("`storage` is 32 hexadecimal digits"))?;
    let reachable = request.address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && host != "0.0.0.0"
            && host != "[::]"
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if !reachable {
        return Err(invalid(
            "`address` is host:port as the other nodes reach it; set cluster.advertise",
        ));
    }
    Ok(JoinFacts {
        key_sha256,
        address: request.address.clone(),
        api_url: request.api.clone(),
        storage,
    })
}

/// Hands the leadership to another voter. Any node takes it: the leadership moves by the leader only, so another node says
/// where to ask.
#[utoipa::path(post, path = "/v1/cluster/transfer-leader", tag = "cluster", request_body = TransferRequest, responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn transfer_leader(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<TransferRequest>,
) -> Answer<Json<Cluster>> {
    let node = api.node()?;
    let status = node.store.status();
    if status.leader != Some(node.id) {
        let leader = status
            .leader
            .map_or("nobody leads".to_owned(), |leader| format!("node {leader} leads"));
        return Err(Failure::new(
            ProblemKind::Conflict,
            format!("this node does not lead: {leader}"),
        )
        .hint("send the request to the leader"));
    }
    let to = match request.to.map(NodeId) {
        Some(to) => Some(to),
        None => best_follower(node),
    };
    let to = to.filter(|to| status.voters.contains(to) && *to != node.id).ok_or_else(|| {
        Failure::new(ProblemKind::Invalid, "there is no such other voter to lead")
    })?;
    recorded(node, &caller, format!("transfer the leadership to node {to}")).await?;
    node.membership.transfer_leader(to).await.map_err(unchanged)?;
    let until = Instant::now() + TRANSFER;
    while node.store.status().leader != Some(to) && Instant::now() < until {
        sleep(LOOK_EVERY).await;
    }
    Ok(Json(seen(&api).await?))
}

/// Records what an administrator is about to do to a node. Without a record it is not done.
pub(super) async fn recorded(node: &Node, caller: &Caller, what: String) -> Answer<()> {
    let id = RequestId(rand::random());
    let command = Administered { id, node: node.id, what, author: caller.author() };
    reading::committed(node.store.administered(command)).await.map(drop)
}

/// The voter that has most of the log.
fn best_follower(node: &Node) -> Option<NodeId> {
    let members = node.membership.members();
    let others = members.into_iter().filter(|(id, member)| member.voter && *id != node.id);
    others.max_by_key(|(_, member)| member.matching).map(|(id, _)| id)
}

pub(super) fn unchanged(error: MembershipError) -> Failure {
    match error {
        MembershipError::NoQuorum => Failure::no_quorum(),
        MembershipError::NotLeader { .. } | MembershipError::Refused { .. } => {
            Failure::new(ProblemKind::Conflict, error.to_string())
        }
    }
}

/// Takes this node out of service: `/readyz` fails, and it gives the leadership away where it can. What runs goes on.
#[utoipa::path(post, path = "/v1/cluster/drain", tag = "cluster", responses((status = 200, body = DrainAnswer), (status = "default", body = Problem)))]
pub(crate) async fn drain(State(api): State<Api>, caller: Caller) -> Answer<Json<DrainAnswer>> {
    let node = api.node()?;
    recorded(node, &caller, "drain".to_owned()).await?;
    api.app.take_out_of_service();
    if node.store.status().leader == Some(node.id)
        && let Some(to) = best_follower(node)
        && let Err(error) = node.membership.transfer_leader(to).await
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the leadership was not given away"
        );
    }
    Ok(Json(drained(&api, node)))
}

/// Puts this node into service again.
#[utoipa::path(post, path = "/v1/cluster/undrain", tag = "cluster", responses((status = 200, body = DrainAnswer), (status = "default", body = Problem)))]
pub(crate) async fn undrain(State(api): State<Api>, caller: Caller) -> Answer<Json<DrainAnswer>> {
    let node = api.node()?;
    recorded(node, &caller, "undrain".to_owned()).await?;
    api.app.put_into_service();
    Ok(Json(drained(&api, node)))
}

fn drained(api: &Api, node: &Node) -> DrainAnswer {
    DrainAnswer {
        node: node.id.0,
        draining: api.app.is_draining(),
        sessions: node.gate.open_sessions() as u64,
    }
}
