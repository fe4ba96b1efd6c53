//! The way to a container: a connection of its own, which is upgraded by the request that the permit is for, and nothing else. A
//! target that does not upgrade it has said why.

use super::{
    Protocol,
    socket::{self, Socket},
};
use crate::{
    forward::{ForwardError, Outgoing},
    mask::MAX_DOCUMENT_BYTES,
    session::Session,
    upstream::{Link, Unsent},
};
use bytes::Bytes;
use countersign_core::refusal::Refusal;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    handshake::{client::generate_key, derive_accept_key},
    protocol::Role,
};

/// From the request to the upgraded connection: an image may have to be looked for, and a node asked.
const UPGRADED_WITHIN: Duration = Duration::from_secs(30);
/// For what a target says that does not upgrade.
const REASON_WITHIN: Duration = Duration::from_secs(5);
/// The longest reason, in bytes.
const MAX_REASON: usize = 64 * 1024;
const _: () = assert!(MAX_REASON < MAX_DOCUMENT_BYTES, "a reason is a document");

/// What became of the request.
pub(super) enum Opened {
    /// The program has begun.
    Begun(Box<Socket>, Protocol),
    /// The target has refused, and says why.
    Refused(StatusCode, Bytes),
}

/// Why it is not known what became of it, or that nothing did.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("nothing was forwarded")]
    Forward(#[from] ForwardError),
    #[error("no byte of the request was sent")]
    Unsent(#[source] hyper::Error),
    #[error("the connection to the target failed")]
    Lost(#[source] hyper::Error),
    #[error("the target has not answered in time")]
    Late,
    #[error("the target has upgraded the connection to something else")]
    Protocol,
}

/// Sends the request. The program begins with it.
pub(super) async fn open(
    session: &Session,
    outgoing: &Outgoing,
    (link, wanted): (&mut Link, Protocol),
) -> Result<Opened, OpenError> {
    let mut request = outgoing.request(&session.target, link)?;
    let key = generate_key();
    let offered = match wanted {
        Protocol::V5 => "v5.channel.k8s.io, v4.channel.k8s.io",
        Protocol::V4 => "v4.channel.k8s.io",
    };
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(offered));
    let value = HeaderValue::from_str(&key).map_err(|_| ForwardError::Text)?;
    headers.insert(SEC_WEBSOCKET_KEY, value);
    let sent = timeout(UPGRADED_WITHIN, link.send(request)).await.map_err(|_| OpenError::Late)?;
    let answer = sent.map_err(|unsent| match unsent {
        Unsent::Certainly(error) => OpenError::Unsent(error),
        Unsent::Perhaps(error) => OpenError::Lost(error),
    })?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(refused(answer).await);
    }
    let protocol = agreed(answer.headers(), &key, wanted)?;
    let upgraded = timeout(UPGRADED_WITHIN, hyper::upgrade::on(answer)).await;
    let upgraded = upgraded.map_err(|_| OpenError::Late)?.map_err(OpenError::Lost)?;
    Ok(Opened::Begun(Box::new(socket::of(upgraded, Role::Client).await), protocol))
}

async fn refused(answer: Response<Incoming>) -> Opened {
    let status = answer.status();
    let reason = timeout(REASON_WITHIN, Limited::new(answer.into_body(), MAX_REASON).collect());
    let reason = match reason.await {
        Ok(Ok(reason)) => reason.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    Opened::Refused(status, reason)
}

/// What the target has agreed to: what was offered (RFC 6455, section 4.1), with proof that it is the answer to this request.
fn agreed(headers: &HeaderMap, key: &str, wanted: Protocol) -> Result<Protocol, OpenError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let protocol = Protocol::named(text(SEC_WEBSOCKET_PROTOCOL)).ok_or(OpenError::Protocol)?;
    let was_offered = wanted == Protocol::V5 || protocol == Protocol::V4;
    let is_websocket = text(UPGRADE).eq_ignore_ascii_case("websocket")
        && text(SEC_WEBSOCKET_ACCEPT) == derive_accept_key(key.as_bytes());
    if was_offered && is_websocket { Ok(protocol) } else { Err(OpenError::Protocol) }
}

impl OpenError {
    /// Whether it is certain that nothing has gone.
    pub(super) fn is_unsent(&self) -> bool {
        match self {
            Self::Forward(_) | Self::Unsent(_) => true,
            Self::Lost(_) | Self::Late | Self::Protocol => false,
        }
    }

    pub(super) fn refusal(&self) -> Refusal {
        use countersign_core::refusal::AgentFacing as _;
        match self {
            Self::Forward(error) => error.refusal(),
            Self::Unsent(_) | Self::Lost(_) | Self::Late | Self::Protocol => {
                Refusal::TargetUnavailable
            }
        }
    }
}
