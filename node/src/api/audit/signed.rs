//! What is signed about the chain: its head, its keys and their rotation, and the terms of an export. Asking for an export
//! is itself recorded, with a checkpoint: the chain says who has taken it away.

mod span;

use super::super::{
    Api,
    caller::Caller,
    failure::{Answer, Failure},
    input::{Asked, Body, Nothing},
    reading,
};
use crate::{
    app::Node,
    chain::{self, SignError, Signer},
};
use axum::{Json, extract::State};
use countersign_api::{
    audit::{AuditHead, AuditKey, AuditKeys, AuditSignature, ExportRequest, ExportTerms, SpanEnd},
    problem::{Problem, ProblemKind},
};
use countersign_core::record::{Claim, ClusterId, Signed};
use countersign_raft_store::{
    command::{CheckpointAsked, RecordCheckpoint},
    handle::StateView,
    records::RequestId,
};
use span::Span;
pub(in crate::api) use span::first_at;
use std::sync::Arc;

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Read(error) => error.into(),
            SignError::Key(error) => Self::internal("the audit key cannot be used", &error),
        }
    }
}

fn no_key_yet() -> Failure {
    Failure::new(ProblemKind::Overloaded, "the cluster has no audit key yet")
        .hint("try again in a moment: it is made when the cluster is")
}

/// The head of the audit chain, signed.
#[utoipa::path(get, path = "/v1/audit/head", tag = "audit", responses((status = 200, body = AuditHead), (status = "default", body = Problem)))]
pub(crate) async fn head(
    State(api): State<Api>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<AuditHead>> {
    let node = Arc::clone(api.node()?);
    let shared = Arc::clone(&node);
    let head = reading::linear(&node, min.get(), move |view| head_of(view, &shared));
    Ok(Json(head.await?))
}

fn head_of(view: &StateView, node: &Node) -> Answer<AuditHead> {
    let (head, at) = (view.chain_head()?, view.log_time()?);
    let cluster_id = view.cluster()?.map(|cluster| hex::encode(cluster.id)).unwrap_or_default();
    // The view may be a little older than the status: the index of the last event is what it certainly has.
    let applied = node.store.status().applied.0;
    let index = view.audit_event(head.sequence)?.map_or(applied, |event| event.index.0);
    let signer = Signer::in_force(view, &node.cluster_key)?;
    let signed = signer.map(|signer| signer.say(Claim::Head, head, at)).transpose()?;
    Ok(AuditHead {
        sequence: head.sequence,
        hash: head.hash.to_string(),
        index,
        at: at.into(),
        cluster_id,
        node: node.id.0,
        signed: signed.as_ref().map(AuditSignature::of),
    })
}

/// The keys that the cluster has signed its audit chain with.
#[utoipa::path(get, path = "/v1/audit/keys", tag = "audit", responses((status = 200, body = AuditKeys), (status = "default", body = Problem)))]
pub(crate) async fn keys(
    State(api): State<Api>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<AuditKeys>> {
    Ok(Json(reading::linear(api.node()?, min.get(), keys_of).await?))
}

fn keys_of(view: &StateView) -> Answer<AuditKeys> {
    let cluster_id = view.cluster()?.map(|cluster| hex::encode(cluster.id)).unwrap_or_default();
    let known = view.audit_keys()?;
    let keys = known.iter().map(|known| AuditKey::of(&known.introduction)).collect();
    Ok(AuditKeys { cluster_id, keys })
}

/// Makes a new audit key, which the one before it endorses.
#[utoipa::path(post, path = "/v1/audit/keys", tag = "audit", responses((status = 200, body = AuditKeys), (status = "default", body = Problem)))]
pub(crate) async fn rotate(State(api): State<Api>, caller: Caller) -> Answer<Json<AuditKeys>> {
    let node = Arc::clone(api.node()?);
    let (author, cluster_key) = (caller.author(), Arc::clone(&node.cluster_key));
    let command = reading::linear(&node, None, move |view| {
        let cluster = view.cluster()?.ok_or_else(no_key_yet)?;
        let before = Signer::in_force(view, &cluster_key)?.ok_or_else(no_key_yet)?;
        Ok(chain::draw(ClusterId(cluster.id), &cluster_key, Some(&before), Some(author))?)
    });
    let command = command.await?;
    reading::committed(node.store.introduce_audit_key(command)).await?;
    // This node may be behind the one that has made the entry: the new key is in the answer all the same.
    Ok(Json(reading::linear(&node, None, keys_of).await?))
}

/// Begins an export: says which events it has, and signs their end.
#[utoipa::path(post, path = "/v1/audit/exports", tag = "audit", request_body = ExportRequest, responses((status = 200, body = ExportTerms), (status = "default", body = Problem)))]
pub(crate) async fn export(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<ExportRequest>,
) -> Answer<Json<ExportTerms>> {
    let node = Arc::clone(api.node()?);
    let cluster_key = Arc::clone(&node.cluster_key);
    let span = Span::of(&api, &request).await?;
    let terms = reading::linear(&node, None, move |view| terms(view, &cluster_key, span));
    let (terms, checkpoint) = terms.await?;
    let asked = CheckpointAsked {
        id: RequestId(rand::random()),
        author: caller.author(),
        reason: format!("export of events {} to {}", terms.after + 1, terms.end.sequence),
    };
    let command = RecordCheckpoint { signed: checkpoint, asked: Some(asked) };
    reading::committed(node.store.record_checkpoint(command)).await?;
    Ok(Json(terms))
}

fn terms(
    view: &StateView,
    cluster_key: &crate::cluster::ClusterKey,
    span: Span,
) -> Answer<(ExportTerms, Signed)> {
    let AuditKeys { cluster_id, keys } = keys_of(view)?;
    let signer = Signer::in_force(view, cluster_key)?.ok_or_else(no_key_yet)?;
    let (head, now) = (view.chain_head()?, view.log_time()?);
    let (after, last) = (span.after, span.last.unwrap_or(head));
    if after > last.sequence {
        return Err(span::nothing());
    }
    let claim = Claim::Span { after };
    let signed = signer.say(claim, last, now)?;
    let index = view.audit_event(last.sequence)?.map_or(0, |event| event.index.0);
    let terms = ExportTerms { cluster_id, after, keys, end: SpanEnd::of(&signed), index };
    Ok((terms, signer.say(Claim::Checkpoint, head, now)?))
}
