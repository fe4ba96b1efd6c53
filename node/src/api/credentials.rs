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
};
use axum::{Json, extract::State};
use countersign_api::{
    credential::{Credential, CredentialRequest, IssuedCredential},
    page::{Page, Paging},
    problem::{Problem, ProblemKind},
};
use countersign_core::id::CredentialId;
use countersign_raft_store::{
    command::IssueCredential, records::CredentialForm, reply::CredentialLife,
};

/// What a credential is going to be; nothing of it counts before it is recorded.
pub(super) enum Drawn {
    Token(TokenText),
    ClientCertificate { id: CredentialId, bearer: Box<Bearer> },
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

    pub(super) const fn form(&self) -> CredentialForm {
        match self {
            Self::Token(_) => CredentialForm::Token,
            Self::ClientCertificate { .. } => CredentialForm::ClientCertificate,
        }
    }

    fn id(&self) -> CredentialId {
        match self {
            Self::Token(token) => token.id(),
            Self::ClientCertificate { id, .. } => *id,
        }
    }

    fn proof_sha256(&self) -> [u8; 32] {
        match self {
            Self::Token(token) => token.sha256(),
            Self::ClientCertificate { bearer, .. } => bearer.key_sha256(),
        }
    }

    /// What the agent is given.
    async fn text(&self, node: &Node, name: &str, life: CredentialLife) -> Answer<String> {
        match self {
            Self::Token(token) => Ok(token.expose().expose_text().unwrap_or_default().to_owned()),
            Self::ClientCertificate { id, bearer } => {
                let cluster =
                    reading::now(node, |view| view.cluster()?.ok_or_else(not_initialised)).await?;
                CredentialAuthority::of(&cluster, &node.cluster_key)
                    .sign(bearer, (*id, name), life)
                    .map_err(|error| Failure::internal("a credential could not be signed", &error))
            }
        }
    }
}

/// Has the log take a credential for the agent, then makes it.
pub(super) async fn issue(api: &Api, agent: AgentToken, drawn: Drawn) -> Answer<Issued> {
    let node = api.node()?;
    let AgentToken { automation, source } = agent;
    let (id, name) = (drawn.id(), automation.agent.name.clone());
    let command = IssueCredential {
        id,
        agent: automation.agent,
        voucher: automation.voucher,
        form: drawn.form(),
        proof_sha256: drawn.proof_sha256(),
        source,
        node: node.id,
        most_live: api.app.config.limits.credentials_per_agent,
    };
    let life = reading::committed(node.store.issue_credential(command)).await?.value;
    let text = drawn.text(node, &name, life).await?;
    Ok(Issued { id, text, life })
}

/// Issues a client certificate for PostgreSQL, in exchange for an agent's token.
#[utoipa::path(post, path = "/v1/credentials/postgres", tag = "credentials", request_body = CredentialRequest, responses((status = 200, body = Credential), (status = "default", body = Problem)))]
pub(crate) async fn postgres(
    State(api): State<Api>,
    agent: AgentToken,
    Body(request): Body<CredentialRequest>,
) -> Answer<Json<Credential>> {
    let drawn = Drawn::client_certificate(&request.csr)?;
    let Issued { id, text, life } = issue(&api, agent, drawn).await?;
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
    let page = reading::linear(api.node()?, min.get(), move |view| {
        let records = view.credentials(after, limit)?;
        let full = records.len() == limit;
        let next = records.last().filter(|_| full).map(|record| record.id.to_string());
        let items = records.iter().map(|record| convert::credential(view, record));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    })
    .await?;
    Ok(Json(page))
}
