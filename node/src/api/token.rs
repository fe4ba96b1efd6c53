//! The exchange of an agent's token for a credential of the cluster's own (RFC 8693). The token is in the body and not a
//! bearer. A credential of the cluster's own is exchanged for nothing: it would have no end.

use super::{
    Api,
    caller::Peer,
    credentials::{self, Drawn},
    failure::{Answer, Failure},
    input::{Body, is_json},
    own_token::{AgentToken, MAX_BODY},
};
use axum::{
    Form, Json,
    extract::{FromRequest, Request, State, rejection::FormRejection},
    http::{StatusCode, header},
};
use countersign_api::{
    credential::SshCredentialRequest,
    problem::{Problem, ProblemKind},
    token::{
        ACCESS_TOKEN, CLIENT_CERTIFICATE, GRANT_TYPE, IssuedToken, KUBERNETES_TOKEN,
        SSH_CERTIFICATE, SUBJECT_TOKEN_TYPES, TokenRequest,
    },
};
use countersign_core::{log_time::LogTime, secret::Secret, target::TargetName};

/// What is asked for the token: never where it would be in a log.
const WHAT: &str = "POST /v1/token";

/// A request for an exchange: a form, as the RFC has it, or JSON.
#[derive(Debug)]
pub(crate) struct Asked {
    request: TokenRequest,
    peer: Option<Peer>,
}

impl FromRequest<Api> for Asked {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Answer<Self> {
        let peer = request.extensions().get::<Peer>().copied();
        let json = request.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
        let request = if json {
            let Body(request) = Body::from_request(request, api).await.map_err(of_oauth)?;
            request
        } else {
            // RFC 6749, section 3.2: parameters must not be included more than once.
            let Form(request) = Form::from_request(request, api).await.map_err(unread)?;
            request
        };
        Ok(Self { request, peer })
    }
}

/// Exchanges an agent's token for a credential of the cluster's own.
#[utoipa::path(post, path = "/v1/token", tag = "credentials", security(()), request_body(content((TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "application/json"))), responses((status = 200, body = IssuedToken), (status = "default", body = Problem)))]
pub(crate) async fn exchange(State(api): State<Api>, asked: Asked) -> Answer<Json<IssuedToken>> {
    exchanged(&api, asked).await.map(Json).map_err(of_oauth)
}

async fn exchanged(api: &Api, Asked { request, peer }: Asked) -> Answer<IssuedToken> {
    let wanted = Wanted::of(&request)?;
    let token = Secret::new(request.subject_token.as_str());
    let agent = AgentToken::of(api, &token, (peer, WHAT)).await?;
    let drawn = match wanted {
        Wanted::Token => Drawn::token(),
        Wanted::ClientCertificate { csr } => Drawn::client_certificate(&csr)?,
        Wanted::SshCertificate(wanted) => Drawn::ssh_certificate(&wanted)?,
        Wanted::KubernetesToken(target) => Drawn::kubernetes_token(target),
    };
    let (issued_token_type, token_type) = match &drawn {
        Drawn::Token(_) => (ACCESS_TOKEN, "Bearer"),
        Drawn::KubernetesToken(..) => (KUBERNETES_TOKEN, "Bearer"),
        Drawn::ClientCertificate { .. } => (CLIENT_CERTIFICATE, "N_A"),
        Drawn::SshCertificate(_) => (SSH_CERTIFICATE, "N_A"),
    };
    let issued = credentials::issue(api, agent, drawn).await?;
    let LogTime(ends) = issued.life.expires_at;
    Ok(IssuedToken {
        access_token: issued.text,
        issued_token_type: issued_token_type.to_owned(),
        token_type: token_type.to_owned(),
        expires_in: ends.saturating_sub(issued.life.issued_at.0) / 1000,
        expires_at: issued.life.expires_at.into(),
        id: issued.id.to_string(),
    })
}

/// What is wanted for the token.
enum Wanted {
    Token,
    ClientCertificate { csr: String },
    SshCertificate(SshCredentialRequest),
    KubernetesToken(TargetName),
}

impl Wanted {
    /// Reads a request; what belongs to another one is refused, because it was meant for something.
    fn of(request: &TokenRequest) -> Answer<Self> {
        if request.grant_type != GRANT_TYPE {
            let failure = Failure::new(ProblemKind::Invalid, "the grant type is not supported")
                .hint("`grant_type` is urn:ietf:params:oauth:grant-type:token-exchange");
            return Err(failure.oauth("unsupported_grant_type"));
        }
        if !SUBJECT_TOKEN_TYPES.contains(&request.subject_token_type.as_str()) {
            return Err(invalid("`subject_token_type` is not that of a provider's token"));
        }
        let target = audience(request)?;
        has_nothing_else(request)?;
        let (principals, source) =
            (said(request.principals.as_deref()), said(request.source_address.as_deref()));
        let limited = principals.is_some() || source.is_some();
        let (csr, key) = (said(request.csr.as_deref()), said(request.public_key.as_deref()));
        if let Some(target) = target {
            return match (csr, key) {
                (None, None) if !limited => Ok(Self::KubernetesToken(target)),
                _ => Err(invalid("a token is asked for, with what belongs to a certificate")),
            };
        }
        match (said(request.requested_token_type.as_deref()), csr, key) {
            (None | Some(ACCESS_TOKEN), None, None) if !limited => Ok(Self::Token),
            (None | Some(ACCESS_TOKEN), ..) => {
                Err(invalid("a token is asked for, with what belongs to a certificate"))
            }
            (Some(CLIENT_CERTIFICATE), Some(csr), None) if !limited => {
                Ok(Self::ClientCertificate { csr: csr.to_owned() })
            }
            (Some(CLIENT_CERTIFICATE), ..) => {
                Err(invalid("a client certificate needs `csr`, and nothing of SSH"))
            }
            (Some(SSH_CERTIFICATE), None, Some(key)) => {
                let principals = principals.into_iter().flat_map(|all| all.split(' '));
                Ok(Self::SshCertificate(SshCredentialRequest {
                    public_key: key.to_owned(),
                    principals: principals.map(str::to_owned).collect(),
                    source_address: source.map(str::to_owned),
                }))
            }
            (Some(SSH_CERTIFICATE), ..) => {
                Err(invalid("an SSH certificate needs `public_key`, and no `csr`"))
            }
            (Some(_unknown), ..) => {
                Err(invalid("nothing is issued of this `requested_token_type`"))
            }
        }
    }
}

/// The target that a token for Kubernetes is to be for, where that is wanted. What else is issued is for the whole cluster.
/// Whether there is such a target, nobody is told here.
fn audience(request: &TokenRequest) -> Answer<Option<TargetName>> {
    let unfit = |why| Err(Failure::new(ProblemKind::Invalid, why).oauth("invalid_target"));
    let wanted = said(request.requested_token_type.as_deref());
    match (wanted, said(request.audience.as_deref())) {
        (Some(KUBERNETES_TOKEN), None) => {
            unfit("a token for Kubernetes needs `audience`, the name of its target")
        }
        (Some(KUBERNETES_TOKEN), Some(name)) => match TargetName::parse(name) {
            Ok(target) => Ok(Some(target)),
            Err(_) => unfit("`audience` is no name that a target can have"),
        },
        (_, Some(_)) => unfit("what is issued is for this cluster alone"),
        (_, None) => Ok(None),
    }
}

/// Refuses what a server must not pass over, and this one has nothing of.
fn has_nothing_else(request: &TokenRequest) -> Answer<()> {
    for (beside, error, why) in [
        (&request.resource, "invalid_target", "a target is named by `audience`"),
        (&request.scope, "invalid_scope", "there are no scopes: policy says what an agent may do"),
        (&request.actor_token, "invalid_request", "nobody acts for another"),
    ] {
        if said(beside.as_deref()).is_some() {
            return Err(Failure::new(ProblemKind::Invalid, why).oauth(error));
        }
    }
    Ok(())
}

/// RFC 6749, section 3.2: parameters sent without a value must be treated as if they were omitted.
fn said(parameter: Option<&str>) -> Option<&str> {
    parameter.filter(|text| !text.is_empty())
}

fn unread(rejection: FormRejection) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body has more than {MAX_BODY} bytes");
        return of_oauth(Failure::new(ProblemKind::TooLarge, detail));
    }
    invalid("the body is no form with the parameters of RFC 8693")
}

fn invalid(detail: &str) -> Failure {
    of_oauth(Failure::new(ProblemKind::Invalid, detail))
}

/// RFC 8693, section 2.2.2: whatever is wrong with the request or with its token is `invalid_request`, and the status is 400.
/// What has a status of its own keeps it, and has a name all the same: clients of OAuth look for nothing else.
fn of_oauth(failure: Failure) -> Failure {
    if failure.0.error.is_some() {
        return failure;
    }
    match failure.0.status {
        400 | 401 | 403 | 415 | 422 => failure.oauth("invalid_request"),
        413 => failure.named("invalid_request"),
        409 | 429 | 503 => failure.named("temporarily_unavailable"),
        _fault => failure.named("server_error"),
    }
}
