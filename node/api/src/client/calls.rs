//! Every route as a method.

use super::{
    Answer, Client, ClientError, Download,
    transport::{Call, Repeat},
};
use crate::{
    agent::Caller,
    audit::{AuditEvent, AuditHead, AuditKeys, AuditQuery, ExportRequest, ExportTerms},
    cluster::{
        Cluster, DrainAnswer, InitAnswer, InitRequest, JoinAnswer, JoinRequest, JoinToken,
        JoinTokenRequest, PromoteRequest, Readiness, RemoveRequest, ReplaceRequest,
        SnapshotRequest, TransferRequest,
    },
    credential::{Credential, CredentialRequest, IssuedCredential, SshCredentialRequest},
    grant::{Grant, GrantQuery},
    hold::{DecisionRequest, Hold, HoldQuery, WithdrawRequest},
    page::{Page, Paging},
    policy::{
        ExplainRequest, Explanation, PolicyCheck, PolicyCheckRequest, PolicySchema, PolicyTest,
        PolicyTestRequest, SimulateRequest, Simulation,
    },
    recording::{RecordingPage, RecordingQuery},
    resource::{ApplyAnswer, ApplyRequest, Kind, PutRequest, Resource},
    revocation::{Revocation, RevocationRequest},
    session::{EndRequest, Session, SessionQuery},
    ssh_keys::{RotateRequest, SshKeys},
    token::{IssuedToken, TokenRequest},
};
use reqwest::{Method, header};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long a look at what happens next may take: longer than a node waits for it.
const LIVE: Duration = Duration::from_secs(20);
/// How long making a cluster may take: longer than a node tries, whose answer is given only once.
const INIT: Duration = Duration::from_secs(40);
/// How long a change of the membership may take: longer than a node tries.
const CHANGE: Duration = Duration::from_secs(40);

/// How long a snapshot may take to arrive.
const SNAPSHOT: Duration = Duration::from_hours(6);

type Result<T> = std::result::Result<Answer<T>, ClientError>;

impl Client {
    /// Whom the node takes the caller for.
    pub async fn whoami(&self) -> Result<Caller> {
        self.send(Call::get(&["v1", "whoami"])).await
    }

    /// One page of holds.
    pub async fn holds(&self, query: &HoldQuery) -> Result<Page<Hold>> {
        self.send(Call::get(&["v1", "holds"]).query(query)).await
    }

    /// A hold.
    pub async fn hold(&self, id: &str) -> Result<Hold> {
        self.send(Call::get(&["v1", "holds", id])).await
    }

    /// Decides about a hold. The same decision of the same reviewer may be sent again.
    pub async fn decide(&self, id: &str, request: &DecisionRequest) -> Result<Hold> {
        self.post(&["v1", "holds", id, "decision"], request, Repeat::Safe).await
    }

    /// Withdraws a hold.
    pub async fn withdraw(&self, id: &str, request: &WithdrawRequest) -> Result<Hold> {
        self.post(&["v1", "holds", id, "withdraw"], request, Repeat::Safe).await
    }

    /// One page of grants.
    pub async fn grants(&self, query: &GrantQuery) -> Result<Page<Grant>> {
        self.send(Call::get(&["v1", "grants"]).query(query)).await
    }

    /// A grant.
    pub async fn grant(&self, id: &str) -> Result<Grant> {
        self.send(Call::get(&["v1", "grants", id])).await
    }

    /// Revokes a grant. It may be sent again.
    pub async fn revoke_grant(&self, id: &str) -> Result<Grant> {
        self.send(Call::new(Method::DELETE, &["v1", "grants", id], Repeat::Safe)).await
    }

    /// A certificate for an agent, in exchange for its token.
    pub async fn postgres_credential(&self, request: &CredentialRequest) -> Result<Credential> {
        self.post(&["v1", "credentials", "postgres"], request, Repeat::OnlyUnsent).await
    }

    /// An SSH certificate for an agent, in exchange for its token.
    pub async fn ssh_credential(&self, request: &SshCredentialRequest) -> Result<Credential> {
        self.post(&["v1", "credentials", "ssh"], request, Repeat::OnlyUnsent).await
    }

    /// The cluster's keys for SSH.
    pub async fn ssh_keys(&self) -> Result<SshKeys> {
        self.send(Call::get(&["v1", "ssh", "keys"])).await
    }

    /// Gives the cluster a new key for SSH.
    pub async fn rotate_ssh_key(&self, request: &RotateRequest) -> Result<SshKeys> {
        self.post(&["v1", "ssh", "keys"], request, Repeat::OnlyUnsent).await
    }

    /// A credential of the cluster's own, in exchange for an agent's token. The token is in the request, not a bearer.
    pub async fn exchange(&self, request: &TokenRequest) -> Result<IssuedToken> {
        self.post(&["v1", "token"], request, Repeat::OnlyUnsent).await
    }

    /// One page of the credentials that agents have.
    pub async fn credentials(&self, paging: &Paging) -> Result<Page<IssuedCredential>> {
        self.send(Call::get(&["v1", "credentials"]).query(paging)).await
    }

    /// One page of sessions.
    pub async fn sessions(&self, query: &SessionQuery) -> Result<Page<Session>> {
        self.send(Call::get(&["v1", "sessions"]).query(query)).await
    }

    /// A session.
    pub async fn session(&self, id: &str) -> Result<Session> {
        self.send(Call::get(&["v1", "sessions", id])).await
    }

    /// One page of a session's recording.
    pub async fn recording(&self, id: &str, query: &RecordingQuery) -> Result<RecordingPage> {
        self.send(Call::get(&["v1", "sessions", id, "recording"]).query(query)).await
    }

    /// What happens next in a session; waits some seconds for it.
    pub async fn live(&self, id: &str, query: &RecordingQuery) -> Result<RecordingPage> {
        let call = Call::get(&["v1", "sessions", id, "live"]).query(query);
        self.send(call.patience(LIVE)).await
    }

    /// Ends a session, on whichever node it is.
    pub async fn end_session(&self, id: &str, request: &EndRequest) -> Result<Session> {
        self.post(&["v1", "sessions", id, "end"], request, Repeat::Safe).await
    }

    /// One page of audit events.
    pub async fn audit_events(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        self.send(Call::get(&["v1", "audit", "events"]).query(query)).await
    }

    /// The head of the audit chain.
    pub async fn audit_head(&self) -> Result<AuditHead> {
        self.send(Call::get(&["v1", "audit", "head"])).await
    }

    /// The keys that the cluster has signed its audit chain with.
    pub async fn audit_keys(&self) -> Result<AuditKeys> {
        self.send(Call::get(&["v1", "audit", "keys"])).await
    }

    /// Makes a new audit key.
    pub async fn rotate_audit_key(&self) -> Result<AuditKeys> {
        self.send(Call::new(Method::POST, &["v1", "audit", "keys"], Repeat::OnlyUnsent)).await
    }

    /// Begins an export.
    pub async fn export_audit(&self, request: &ExportRequest) -> Result<ExportTerms> {
        self.post(&["v1", "audit", "exports"], request, Repeat::Safe).await
    }

    /// One page of the resources of all kinds.
    pub async fn resources(&self, paging: &Paging) -> Result<Page<Resource>> {
        self.send(Call::get(&["v1", "resources"]).query(paging)).await
    }

    /// One page of the resources of a kind.
    pub async fn resources_of(&self, kind: Kind, paging: &Paging) -> Result<Page<Resource>> {
        self.send(Call::get(&["v1", "resources", kind.name()]).query(paging)).await
    }

    /// A resource.
    pub async fn resource(&self, kind: Kind, name: &str) -> Result<Resource> {
        self.send(Call::get(&["v1", "resources", kind.name(), name])).await
    }

    /// Creates or changes a resource. `expected` is the revision it must have, 0 when it must not exist.
    pub async fn put_resource(
        &self,
        kind: Kind,
        name: &str,
        request: &PutRequest,
        expected: Option<u64>,
    ) -> Result<Resource> {
        let call =
            Call::new(Method::PUT, &["v1", "resources", kind.name(), name], Repeat::OnlyUnsent);
        let call = match expected {
            Some(0) => call.header(header::IF_NONE_MATCH, "*"),
            Some(revision) => call.header(header::IF_MATCH, format!("\"{revision}\"")),
            None => call,
        };
        self.send(call.json(request)?).await
    }

    /// Deletes a resource. `expected` is the revision it must have.
    pub async fn delete_resource(
        &self,
        kind: Kind,
        name: &str,
        expected: Option<u64>,
    ) -> Result<()> {
        let call =
            Call::new(Method::DELETE, &["v1", "resources", kind.name(), name], Repeat::OnlyUnsent);
        let call = match expected {
            Some(revision) => call.header(header::IF_MATCH, format!("\"{revision}\"")),
            None => call,
        };
        self.send(call).await
    }

    /// Applies documents, all or none.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyAnswer> {
        let repeat = if request.dry_run { Repeat::Safe } else { Repeat::OnlyUnsent };
        self.post(&["v1", "apply"], request, repeat).await
    }

    /// Compiles policy texts without applying them.
    pub async fn check_policy(&self, request: &PolicyCheckRequest) -> Result<PolicyCheck> {
        self.post(&["v1", "policy", "check"], request, Repeat::Safe).await
    }

    /// Runs test cases of policies.
    pub async fn test_policy(&self, request: &PolicyTestRequest) -> Result<PolicyTest> {
        self.post(&["v1", "policy", "test"], request, Repeat::Safe).await
    }

    /// Explains what policies say of an operation.
    pub async fn explain_policy(&self, request: &ExplainRequest) -> Result<Explanation> {
        self.post(&["v1", "policy", "explain"], request, Repeat::Safe).await
    }

    /// Judges a page of recorded operations under other policies.
    pub async fn simulate_policy(&self, request: &SimulateRequest) -> Result<Simulation> {
        self.post(&["v1", "policy", "simulate"], request, Repeat::Safe).await
    }

    /// The schema that policies are validated against.
    pub async fn policy_schema(&self) -> Result<PolicySchema> {
        self.send(Call::get(&["v1", "policy", "schema"])).await
    }

    /// The cluster as the asked node sees it.
    pub async fn cluster(&self) -> Result<Cluster> {
        self.send(Call::get(&["v1", "cluster"])).await
    }

    /// Makes a cluster of the asked node. The client's token is the node's init token.
    pub async fn init(&self, request: &InitRequest) -> Result<InitAnswer> {
        let call = Call::new(Method::POST, &["v1", "cluster", "init"], Repeat::OnlyUnsent);
        self.send(call.patience(INIT).json(request)?).await
    }

    /// Makes a one-time join token.
    pub async fn create_join_token(&self, request: &JoinTokenRequest) -> Result<JoinToken> {
        self.post(&["v1", "cluster", "tokens"], request, Repeat::OnlyUnsent).await
    }

    /// Joins the cluster. The client's token is the join token. The same request with the same key may be sent again.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer> {
        self.post(&["v1", "cluster", "join"], request, Repeat::Safe).await
    }

    /// Hands leadership to another voter.
    pub async fn transfer_leader(&self, request: &TransferRequest) -> Result<Cluster> {
        self.post(&["v1", "cluster", "transfer-leader"], request, Repeat::OnlyUnsent).await
    }

    /// Removes a node for good.
    pub async fn remove_node(&self, request: &RemoveRequest) -> Result<Cluster> {
        self.change("remove", request).await
    }

    /// Removes a node for good, and gives its vote to another.
    pub async fn replace_node(&self, request: &ReplaceRequest) -> Result<Cluster> {
        self.change("replace", request).await
    }

    /// Makes a learner vote.
    pub async fn promote_node(&self, request: &PromoteRequest) -> Result<Cluster> {
        self.change("promote", request).await
    }

    /// Doing what is done already is no error.
    async fn change(&self, what: &str, request: &impl Serialize) -> Result<Cluster> {
        let call = Call::new(Method::POST, &["v1", "cluster", what], Repeat::Safe);
        self.send(call.patience(CHANGE).json(request)?).await
    }

    /// The state of the asked node as a snapshot file, piece by piece.
    pub async fn snapshot(
        &self,
        request: &SnapshotRequest,
    ) -> std::result::Result<Download, ClientError> {
        let call = Call::new(Method::POST, &["v1", "cluster", "snapshot"], Repeat::OnlyUnsent);
        let (endpoint, response) = self.respond(call.patience(SNAPSHOT).json(request)?).await?;
        Ok(Download { endpoint, response })
    }

    /// Lets a recovered cluster take agents again.
    pub async fn reopen(&self) -> Result<Cluster> {
        self.send(Call::new(Method::POST, &["v1", "cluster", "reopen"], Repeat::Safe)).await
    }

    /// Takes the asked node out of service.
    pub async fn drain(&self) -> Result<DrainAnswer> {
        self.send(Call::new(Method::POST, &["v1", "cluster", "drain"], Repeat::OnlyUnsent)).await
    }

    /// Puts the asked node into service again.
    pub async fn undrain(&self) -> Result<DrainAnswer> {
        self.send(Call::new(Method::POST, &["v1", "cluster", "undrain"], Repeat::OnlyUnsent)).await
    }

    /// Revokes an identity or a session.
    pub async fn revoke(&self, request: &RevocationRequest) -> Result<Revocation> {
        self.post(&["v1", "revocations"], request, Repeat::Safe).await
    }

    /// The certificate that the asked node showed, in DER, once it was found to be good.
    pub async fn certificate(&self) -> std::result::Result<Option<Vec<u8>>, ClientError> {
        let (_, response) = self.respond(Call::get(&["livez"])).await?;
        let shown = response.extensions().get::<reqwest::tls::TlsInfo>();
        Ok(shown.and_then(|shown| shown.peer_certificate()).map(<[u8]>::to_vec))
    }

    /// Whether the asked node may take agents. A node that is not ready answers too.
    pub async fn readiness(&self) -> Result<Readiness> {
        let call = Call::get(&["readyz"]).query(&serde_json::json!({"verbose": true}));
        self.send(call.answering_with(503)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        repeat: Repeat,
    ) -> Result<T> {
        self.send(Call::new(Method::POST, path, repeat).json(body)?).await
    }
}
