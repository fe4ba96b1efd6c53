//! The only way to a target: a permit is consumed, under a lease that was looked at right then, and the request is made anew
//! from what was hashed. Beside that go the forms that are asked for, and what the gateway says of itself and of the agent;
//! nothing else of what the agent sent.

use crate::{
    request::Request,
    target::{Impersonation, KubernetesTarget},
    upstream::Link,
};
use bytes::Bytes;
use countersign_core::{
    agent::Agent,
    gate::Gate,
    operation::Operation,
    permit::{Permit, PermitError},
    refusal::{AgentFacing, Fault, Refusal},
};
use http_body_util::Full;
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use std::{ops::Range, sync::Arc};

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// The most groups of an agent that are named to a target.
const MAX_GROUPS: usize = 64;

/// Why nothing was forwarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("the node may not act")]
    Lease(Refusal),
    #[error("the permit is not for this operation")]
    Permit(#[from] PermitError),
    #[error("the operation is none that this adapter has made")]
    Text,
    #[error("a request cannot be made of the operation")]
    Request(#[from] hyper::http::Error),
}

impl AgentFacing for ForwardError {
    fn refusal(&self) -> Refusal {
        match self {
            Self::Lease(refusal) => refusal.clone(),
            Self::Permit(_) | Self::Text | Self::Request(_) => Refusal::Internal,
        }
    }

    fn fault(&self) -> Fault {
        Fault::Internal
    }
}

/// As whom an agent acts at a target.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActsAs {
    headers: HeaderMap,
    /// For the fingerprint: the user, and the groups.
    pub(crate) settings: Vec<(String, String)>,
}

impl ActsAs {
    /// As itself, where the target has it so; otherwise as the gateway.
    pub(crate) fn of(agent: &Agent, target: &KubernetesTarget) -> Result<Self, Refusal> {
        match &target.impersonation {
            None => Ok(Self::default()),
            Some(impersonation) => Self::named(agent, impersonation),
        }
    }

    fn named(agent: &Agent, impersonation: &Impersonation) -> Result<Self, Refusal> {
        let unnamed = || Refusal::NotSupported {
            message: "the agent's name, or a group's, is none that the target can be told"
                .to_owned(),
        };
        if agent.groups.len() > MAX_GROUPS {
            return Err(unnamed());
        }
        let prefix = impersonation.prefix();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| unnamed());
        let user = format!("{prefix}{}", agent.identity);
        let mut headers = HeaderMap::new();
        headers.insert(IMPERSONATE_USER, value(&user)?);
        let mut settings = vec![("impersonated user".to_owned(), user)];
        for group in &agent.groups {
            let group = format!("{prefix}{group}");
            headers.append(IMPERSONATE_GROUP, value(&group)?);
            settings.push(("impersonated group".to_owned(), group));
        }
        Ok(Self { headers, settings })
    }
}

/// A request that was admitted and is going up. Sent again only where it is certain that no byte of it has gone.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    text: Arc<[u8]>,
    body: Range<usize>,
    headers: HeaderMap,
}

/// Consumes the permit. `headers` are those that were made of the agent's.
pub(crate) fn open(
    permit: Permit,
    operation: &Operation,
    gate: &dyn Gate,
    (mut headers, acts_as): (HeaderMap, &ActsAs),
) -> Result<Outgoing, ForwardError> {
    let leased = gate.lease().map_err(ForwardError::Lease)?;
    let forwardable = permit.open(operation, leased)?;
    let text = Arc::clone(&forwardable.operation().classification().text);
    let request = Request::of_text(&text).ok_or(ForwardError::Text)?;
    headers.remove(CONTENT_TYPE);
    if let Some(content_type) = request.content_type {
        let value = HeaderValue::from_str(content_type).map_err(|_| ForwardError::Text)?;
        headers.insert(CONTENT_TYPE, value);
    }
    for (name, value) in &acts_as.headers {
        headers.append(name, value.clone());
    }
    let body = text.len().saturating_sub(request.body.len())..text.len();
    Ok(Outgoing { text, body, headers })
}

impl Outgoing {
    /// The request as it goes over this connection.
    pub(crate) fn request(
        &self,
        target: &KubernetesTarget,
        link: &Link,
    ) -> Result<hyper::Request<Full<Bytes>>, ForwardError> {
        let read = Request::of_text(&self.text).ok_or(ForwardError::Text)?;
        let authority = authority(target);
        let builder = hyper::Request::builder().method(read.method.name());
        let (builder, host) = if link.names_host_in_url() {
            (builder.uri(format!("https://{authority}{}", read.target)), None)
        } else {
            (builder.uri(read.target), Some(HeaderValue::try_from(authority)))
        };
        let body = Bytes::from_owner(Arc::clone(&self.text)).slice(self.body.clone());
        let mut request = builder.body(Full::new(body))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        if let Some(host) = host {
            headers.insert(HOST, host.map_err(|_| ForwardError::Text)?);
        }
        if let Some(authorization) = link.authorization() {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

fn authority(target: &KubernetesTarget) -> String {
    let KubernetesTarget { host, port, .. } = target;
    // An address of IPv6 stands in brackets (RFC 3986, section 3.2.2).
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Credential, TargetTls};
    use countersign_core::{
        agent::{Identity, Workload},
        log_time::LogTime,
        target::TargetName,
    };
    use countersign_edge::{Keepalive, SecretReference};

    fn agent(subject: &str, groups: &[&str]) -> Agent {
        let identity = Identity { issuer: "https://idp".to_owned(), subject: subject.to_owned() };
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let name = "bot".to_owned();
        let workload = Workload::default();
        Agent { identity, name, owner: None, groups, workload, expires_at: LogTime(1) }
    }

    fn target(impersonation: Option<Impersonation>) -> KubernetesTarget {
        KubernetesTarget {
            name: TargetName::parse("prod").unwrap(),
            host: "::1".to_owned(),
            port: 6443,
            tls: TargetTls { ca_file: "ca.pem".into(), server_name: None },
            credential: Credential::Token(SecretReference::Environment("TOKEN".to_owned())),
            impersonation,
            keepalive: Keepalive::default(),
        }
    }

    #[test]
    fn an_agent_is_named_by_its_identity_behind_the_prefix_and_so_are_its_groups() {
        let target = target(Some(Impersonation::with_prefix("cs:").unwrap()));
        let acts_as = ActsAs::of(&agent("bot", &["ci", "system:masters"]), &target).unwrap();
        let named = |name| acts_as.headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(named(IMPERSONATE_USER), ["cs:https://idp#bot"]);
        assert_eq!(named(IMPERSONATE_GROUP), ["cs:ci", "cs:system:masters"]);
        assert_eq!(acts_as.settings.len(), 3);
        for bad in ["b\not", "b\u{7f}ot"] {
            assert!(ActsAs::of(&agent(bad, &[]), &target).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_impersonation_nobody_is_named() {
        let acts_as = ActsAs::of(&agent("bot", &["ci"]), &target(None)).unwrap();
        assert!(acts_as.headers.is_empty() && acts_as.settings.is_empty());
    }

    #[test]
    fn an_address_of_ipv6_stands_in_brackets() {
        assert_eq!(authority(&target(None)), "[::1]:6443");
    }
}
