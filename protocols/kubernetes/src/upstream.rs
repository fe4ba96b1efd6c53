//! The connections to a target that belong to one session: dialled when the first request needs one, and shared with no other
//! session. What goes over them is made by `forward`. A redirection is an answer like any other: nobody here follows one.

mod dial;
mod link;

pub(crate) use link::{Link, Unsent};

use crate::target::KubernetesTarget;
use countersign_core::refusal::{AgentFacing, Fault, Refusal};
use countersign_edge::SecretError;
use dial::Use;
use link::Shared;
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// From nothing to a connection that takes requests.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// Connections that a session keeps while it has no request for them.
const MAX_IDLE: usize = 8;
/// How long a connection is used for new requests: the gateway's credential may have changed since it was dialled.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the target cannot be reached")]
    Io(#[source] io::Error),
    #[error("the target does not take a connection in time")]
    Late,
    #[error("the certificates of the target's authorities cannot be read")]
    Authority(#[source] io::Error),
    #[error("the target's name is none that a certificate can have")]
    ServerName,
    #[error("a certificate or key cannot be used")]
    Certificate(#[source] rustls::Error),
    #[error("the gateway's own certificate or key is no PEM")]
    OwnPem(#[source] rustls_pki_types::pem::Error),
    #[error("the target has not asked for the gateway's certificate")]
    NotAsked,
    #[error("the gateway's credential for the target cannot be had")]
    Secret(#[from] SecretError),
    #[error("the gateway's token for the target is none that fits into a header")]
    Token,
    #[error("the target does not speak HTTP")]
    Http(#[source] hyper::Error),
}

impl AgentFacing for UpstreamError {
    fn refusal(&self) -> Refusal {
        Refusal::TargetUnavailable
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Io(_) | Self::Late | Self::NotAsked | Self::Http(_) => Fault::Upstream,
            Self::Authority(_)
            | Self::ServerName
            | Self::Certificate(_)
            | Self::OwnPem(_)
            | Self::Secret(_)
            | Self::Token => Fault::Internal,
        }
    }
}

/// The connections of a session.
#[derive(Debug)]
pub(crate) struct Upstream {
    target: Arc<KubernetesTarget>,
    kept: Mutex<Kept>,
    /// Ends all of them.
    cut: CancellationToken,
}

#[derive(Debug, Default)]
struct Kept {
    /// One that carries many requests at a time.
    shared: Option<Shared>,
    /// Those that carry one at a time, and have none.
    idle: Vec<Link>,
}

impl Upstream {
    pub(crate) fn of(target: Arc<KubernetesTarget>) -> Self {
        Self { target, kept: Mutex::default(), cut: CancellationToken::new() }
    }

    /// A connection that takes a request now.
    pub(crate) async fn ready(&self) -> Result<Link, UpstreamError> {
        while let Some(link) = self.take() {
            if let Some(link) = link.ready().await {
                return Ok(link);
            }
        }
        self.fresh().await
    }

    /// A new connection.
    pub(crate) async fn fresh(&self) -> Result<Link, UpstreamError> {
        let dialled =
            timeout(DIAL_DEADLINE, dial::dial(&self.target, Use::Requests, &self.cut)).await;
        let link = dialled.unwrap_or(Err(UpstreamError::Late))?;
        if let Some(shared) = link.share() {
            self.kept().shared = Some(shared);
        }
        Ok(link)
    }

    /// A new connection that is to be upgraded.
    pub(crate) async fn for_upgrade(&self) -> Result<Link, UpstreamError> {
        let dialled = timeout(DIAL_DEADLINE, dial::dial(&self.target, Use::Upgrade, &self.cut));
        dialled.await.unwrap_or(Err(UpstreamError::Late))
    }

    /// Keeps a connection whose answer was read to its end.
    pub(crate) fn keep(&self, link: Link) {
        let mut kept = self.kept();
        if link.share().is_none() && kept.idle.len() < MAX_IDLE {
            kept.idle.push(link);
        }
    }

    /// Ends all connections, whatever goes over them.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    fn take(&self) -> Option<Link> {
        let now = Instant::now();
        let mut kept = self.kept();
        let usable = |since: Instant| now.duration_since(since) < MAX_AGE;
        kept.idle.retain(|link| usable(link.since()));
        if kept.shared.as_ref().is_some_and(|shared| !usable(shared.since()) || shared.is_over()) {
            kept.shared = None;
        }
        match &kept.shared {
            Some(shared) => Some(shared.link()),
            None => kept.idle.pop(),
        }
    }

    /// Nothing panics while it holds the lock.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}
