//! Credentials for agents. It is the one thing that the API does for an agent's token: the token goes in, a credential of
//! the cluster's own comes out, and the audit has it before the credential exists. Administrators see which there are.

use super::{
    Api, convert,
    failure::{Answer, Failure, not_initialised},
    input::{Asked, Body, page_size},
    own_token::AgentToken,
    reading,
};
use crate::{
    app::Node,
    credential::{Bearer, CredentialAuthority, TokenText},
    ssh_keys::{AgentKey, AgentTerms},
};
use axum::{Json, extract::State};
use countersign_api::{
    credential::{Credential, CredentialRequest, IssuedCredential, SshCredentialRequest},
    page::{Page, Paging},
    problem::{Problem, ProblemKind},
};
use countersign_core::{id::CredentialId, log_time::LogTime, target::TargetName};
use countersign_raft_store::{
    command::{IssueCredential, Revocable, Revoke},
    handle::Store,
    records::{Audience, Author, CredentialForm},
    reply::CredentialLife,
};

/// What a credential is going to be; nothing of it counts before it is recorded.
pub(super) enum Drawn {
    Token(TokenText),
    KubernetesToken(TokenText, TargetName),
    ClientCertificate { id: CredentialId, bearer: Box<Bearer> },
    SshCertificate(Box<SshDrawn>),
}

/// An SSH certificate before it is signed.
pub(super) struct SshDrawn {
    id: CredentialId,
    bearer: AgentKey,
    key_sha256: [u8; 32],
    terms: AgentTerms,
}

/// A credential that is recorded.
pub(super) struct Issued {
    pub(super) id: CredentialId,
    /// The token, or the certificate.
    pub(super) text: String,
    pub(super) life: CredentialLife,
}

impl Drawn {
    /// A short token.
    pub(super) fn token() -> Self {
        Self::Token(TokenText::draw())
    }

    /// A short token for the API of one target.
    pub(super) fn kubernetes_token(target: TargetName) -> Self {
        Self::KubernetesToken(TokenText::draw(), target)
    }

    /// A client certificate for the key of a signing request.
    pub(super) fn client_certificate(csr: &str) -> Answer<Self> {
        let bearer = Bearer::of(csr).map_err(|_| {
            Failure::new(
                ProblemKind::Invalid,
                "`csr` is no signing request that its own key has signed",
            )
            .hint("`openssl req -new -key KEY -subj /CN=agent` makes one")
        })?;
        let id = CredentialId::from_bytes(rand::random());
        Ok(Self::ClientCertificate { id, bearer: Box::new(bearer) })
    }

    /// An SSH certificate for a key.
    pub(super) fn ssh_certificate(request: &SshCredentialRequest) -> Answer<Self> {
        let unfit = |detail: &str| Failure::new(ProblemKind::Invalid, detail);
        let bearer = AgentKey::read(&request.public_key).ok_or_else(|| {
            unfit("`public_key` is no key that is taken: Ed25519, ECDSA, or RSA of at least 2048 bits")
                .hint("`ssh-keygen -t ed25519` makes one; its line is in the file that ends with .pub")
        })?;
        let principals: Vec<&str> = request.principals.iter().map(String::as_str).collect();
        let terms = AgentTerms::read(&principals, request.source_address.as_deref());
        let terms = terms.ok_or_else(|| {
            unfit(
                "a login is `LOGIN@TARGET` or `*@TARGET`, and `source_address` a list of networks",
            )
        })?;
        let key_sha256 = bearer
            .sha256()
            .map_err(|error| Failure::internal("a public key cannot be written", &error))?;
        let id = CredentialId::from_bytes(rand::random());
        Ok(Self::SshCertificate(Box::new(SshDrawn { id, bearer, key_sha256, terms })))
    }

    pub(super) const fn form(&self) -> CredentialForm {
        match self {
            Self::Token(_) | Self::KubernetesToken(..) => CredentialForm::Token,
            Self::ClientCertificate { .. } => CredentialForm::ClientCertificate,
            Self::SshCertificate(_) => CredentialForm::SshCertificate,
        }
    }

    fn audience(&self) -> Audience {
        match self {
            Self::KubernetesToken(_, target) => Audience::Kubernetes(target.clone()),
            Self::Token(_) | Self::ClientCertificate { .. } | Self::SshCertificate(_) => {
                Audience::Cluster
            }
        }
    }

    fn id(&self) -> CredentialId {
        match self {
            Self::Token(token) | Self::KubernetesToken(token, _) => token.id(),
            Self::ClientCertificate { id, .. } => *id,
            Self::SshCertificate(drawn) => drawn.id,
        }
    }

    fn proof_sha256(&self) -> [u8; 32] {
        match self {
            Self::Token(token) | Self::KubernetesToken(token, _) => token.sha256(),
            Self::ClientCertificate { bearer, .. } => bearer.key_sha256(),
            Self::SshCertificate(drawn) => drawn.key_sha256,
        }
    }

    /// What the agent is given.
    async fn text(&self, node: &Node, name: &str, life: CredentialLife) -> Answer<String> {
        match self {
            Self::Token(token) | Self::KubernetesToken(token, _) => {
                Ok(token.expose().expose_text().unwrap_or_default().to_owned())
            }
            Self::ClientCertificate { id, bearer } => {
                let cluster =
                    reading::now(node, |view| view.cluster()?.ok_or_else(not_initialised)).await?;
                CredentialAuthority::of(&cluster, &node.cluster_key)
                    .sign(bearer, (*id, name), life)
                    .map_err(|error| unsigned(&error))
            }
            Self::SshCertificate(drawn) => {
                let view = node.store.view()?;
                let signing = (&view, &*node.cluster_key, life.issued_at.0);
                drawn
                    .terms
                    .sign(signing, &drawn.bearer, drawn.id, life)
                    .map_err(|error| unsigned(&error))
            }
        }
    }
}

fn unsigned(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::internal("a credential could not be signed", error)
}

/// Has the log take a credential for the agent, then makes it.
pub(super) async fn issue(api: &Api, agent: AgentToken, drawn: Drawn) -> Answer<Issued> {
    let node = api.node()?;
    let AgentToken { automation, source } = agent;
    let (id, name) = (drawn.id(), automation.agent.name.clone());
    let identity = automation.agent.identity.clone();
    let author = Author { identity, name: name.clone() };
    let undelivered = Undelivered(Some((node.store.clone(), id, author)));
    let command = IssueCredential {
        id,
        agent: automation.agent,
        voucher: automation.voucher,
        form: drawn.form(),
        audience: drawn.audience(),
        proof_sha256: drawn.proof_sha256(),
        source,
        node: node.id,
        most_live: api.app.config.limits.credentials_per_agent,
    };
    let life = match reading::committed(node.store.issue_credential(command)).await {
        Ok(issued) => issued.value,
        Err(failure) => {
            if failure.0.problem_kind() != Some(ProblemKind::NoQuorum) {
                undelivered.forget();
            }
            return Err(failure);
        }
    };
    let text = drawn.text(node, &name, life).await?;
    undelivered.forget();
    Ok(Issued { id, text, life })
}

/// A credential that may be recorded and that nobody has. It is revoked when the caller goes away, or hears of a failure: it
/// would be counted as one of the agent's until it ends.
struct Undelivered(Option<(Store, CredentialId, Author)>);

impl Undelivered {
    /// It is delivered, or there is none.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        let Some((store, id, author)) = self.0.take() else { return };
        let reason = "it was not delivered".to_owned();
        let revoke = Revoke { what: Revocable::Credential(id), reason, author };
        // One attempt: what a node without a quorum leaves behind ends within an hour.
        tokio::spawn(async move {
            if let Err(failure) = reading::committed(store.revoke(revoke)).await {
                tracing::info!(
                    failure = failure.0.title,
                    "a credential that nobody has stays recorded"
                );
            }
        });
    }
}

/// Issues an SSH certificate, in exchange for an agent's token.
#[utoipa::path(post, path = "/v1/credentials/ssh", tag = "credentials", request_body = SshCredentialRequest, responses((status = 200, body = Credential), (status = "default", body = Problem)))]
pub(crate) async fn ssh(
    State(api): State<Api>,
    agent: AgentToken,
    Body(request): Body<SshCredentialRequest>,
) -> Answer<Json<Credential>> {
    let drawn = Drawn::ssh_certificate(&request)?;
    certificate(&api, agent, drawn).await
}

/// Issues a client certificate for PostgreSQL, in exchange for an agent's token.
#[utoipa::path(post, path = "/v1/credentials/postgres", tag = "credentials", request_body = CredentialRequest, responses((status = 200, body = Credential), (status = "default", body = Problem)))]
pub(crate) async fn postgres(
    State(api): State<Api>,
    agent: AgentToken,
    Body(request): Body<CredentialRequest>,
) -> Answer<Json<Credential>> {
    let drawn = Drawn::client_certificate(&request.csr)?;
    certificate(&api, agent, drawn).await
}

async fn certificate(api: &Api, agent: AgentToken, drawn: Drawn) -> Answer<Json<Credential>> {
    let Issued { id, text, life } = issue(api, agent, drawn).await?;
    Ok(Json(Credential {
        id: id.to_string(),
        certificate: text,
        expires_at: life.expires_at.into(),
    }))
}

/// Lists the credentials that agents have, by id; none of them can be used by what is shown.
#[utoipa::path(get, path = "/v1/credentials", tag = "credentials", params(Paging), responses((status = 200, body = Page<IssuedCredential>), (status = "default", body = Problem)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked { query, min }: Asked<Paging>,
) -> Answer<Json<Page<IssuedCredential>>> {
    let limit = page_size(query.limit)?;
    let after = query.cursor.as_deref().map(str::parse::<CredentialId>).transpose();
    let after = after.map_err(|_| {
        Failure::new(ProblemKind::BadRequest, "`cursor` is not one that a page gave")
    })?;
    let clock = LogTime(api.app.clock.now_ms());
    let page = reading::linear(api.node()?, min.get(), move |view| {
        // Log time stands still on an idle cluster.
        let now = clock.max(view.log_time()?);
        let records = view.credentials(after, limit)?;
        let full = records.len() == limit;
        let next = records.last().filter(|_| full).map(|record| record.id.to_string());
        let items = records.iter().map(|record| convert::credential(view, record, now));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    })
    .await?;
    Ok(Json(page))
}
