//! The cluster's keys for SSH: what of them is public, for agents and targets to pin, and their rotation.

use super::{
    Api,
    caller::Caller,
    failure::{Answer, Failure, not_initialised},
    input::{Asked, Body, Nothing},
    reading,
};
use crate::ssh_keys;
use axum::{Json, extract::State};
use countersign_api::{
    problem::{Problem, ProblemKind},
    ssh_keys::{RotateRequest, SshKey, SshKeyRole, SshKeys},
};
use countersign_raft_store::{
    command::RotateSshKey,
    handle::StateView,
    limits::MAX_SSH_OVERLAP_MS,
    records::{SshKeyRecord, SshRole},
};
use ssh_key::HashAlg;
use std::sync::Arc;

/// Shows the public halves of the cluster's keys for SSH: they are what everybody may know.
#[utoipa::path(get, path = "/v1/ssh/keys", tag = "ssh", security(()), responses((status = 200, body = SshKeys), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Asked { query: Nothing {}, min: _ }: Asked<Nothing>,
) -> Answer<Json<SshKeys>> {
    // As this node knows them, without a quorum: strangers ask too, and keys are published long before they are used.
    Ok(Json(reading::now(api.node()?, keys).await?))
}

/// Gives the cluster a new key of a role, which is published at once and used later.
#[utoipa::path(post, path = "/v1/ssh/keys", tag = "ssh", request_body = RotateRequest, responses((status = 200, body = SshKeys), (status = "default", body = Problem)))]
pub(crate) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<RotateRequest>,
) -> Answer<Json<SshKeys>> {
    let overlap_ms = request.overlap_seconds.saturating_mul(1000);
    if overlap_ms > MAX_SSH_OVERLAP_MS {
        return Err(Failure::new(ProblemKind::Invalid, "`overlap_seconds` is at most 92 days"));
    }
    let node = Arc::clone(api.node()?);
    let (role, author) = (role(request.role), caller.author());
    let cluster_key = Arc::clone(&node.cluster_key);
    let command = reading::linear(&node, None, move |view| {
        let cluster = view.cluster()?.ok_or_else(not_initialised)?;
        let number = view.ssh_keys(role)?.last().map_or(1, |last| last.number + 1);
        let key = ssh_keys::draw(&cluster_key, &cluster.id, role)
            .map_err(|error| Failure::internal("a key could not be sealed", &error))?;
        Ok(RotateSshKey { number, key, overlap_ms, author })
    });
    let command = command.await?;
    reading::committed(node.store.rotate_ssh_key(command)).await?;
    Ok(Json(reading::linear(&node, None, keys).await?))
}

fn keys(view: &StateView) -> Answer<SshKeys> {
    let mut keys = Vec::new();
    for role in SshRole::ALL {
        for record in view.ssh_keys(*role)? {
            keys.push(shown(&record)?);
        }
    }
    Ok(SshKeys { keys })
}

fn shown(record: &SshKeyRecord) -> Answer<SshKey> {
    let public = ssh_keys::public(record);
    Ok(SshKey {
        role: match record.key.role {
            SshRole::Host => SshKeyRole::Host,
            SshRole::HostAuthority => SshKeyRole::HostAuthority,
            SshRole::AgentAuthority => SshKeyRole::AgentAuthority,
            SshRole::SessionAuthority => SshKeyRole::SessionAuthority,
        },
        number: record.number,
        fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
        public_key: public
            .to_openssh()
            .map_err(|error| Failure::internal("a key cannot be written", &error))?,
        published_at: record.published_at.into(),
        used_from: record.used_from.into(),
    })
}

const fn role(role: SshKeyRole) -> SshRole {
    match role {
        SshKeyRole::Host => SshRole::Host,
        SshKeyRole::HostAuthority => SshRole::HostAuthority,
        SshKeyRole::AgentAuthority => SshRole::AgentAuthority,
        SshKeyRole::SessionAuthority => SshRole::SessionAuthority,
    }
}
