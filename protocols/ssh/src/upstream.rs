//! The gateway's own connections to a target: dialled when a program needs one, and used by one program at a time, so that
//! no program waits for what another one does not take. Programs that follow each other use the same one.

mod host;

use crate::{
    algorithms::{self, HostCertificates},
    flow::{Flow, Grip, WINDOW},
    line,
    serve::{CHANNEL_MESSAGES, MAX_PACKET},
    session::Session,
    target::{NotCertified, Pass, RoleProof, SshTarget},
    wire,
};
use countersign_core::{
    refusal::{AgentFacing, Fault, Refusal},
    secret::Secret,
};
use countersign_edge::SecretError;
use host::Host;
use russh::{
    Channel, SshId, client,
    keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg},
};
use std::{
    borrow::Cow,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// From the first packet to the login.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// For a channel on a connection that is there.
const CHANNEL_DEADLINE: Duration = Duration::from_secs(10);
/// Connections of one session that no program uses and that are kept.
const MAX_IDLE: usize = 4;
/// What the gateway calls itself.
const SOFTWARE: &str = "SSH-2.0-Countersign";

/// Why a target cannot be used. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the target cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the target did not answer in time")]
    Late,
    #[error("the connection to the target failed, or its host key is not the one that is pinned")]
    Ssh(#[from] russh::Error),
    #[error("the target does not let the gateway in")]
    NotLetIn,
    #[error("the role's credential cannot be had")]
    Secret(#[from] SecretError),
    #[error("the session has no certificate to log in with")]
    Certified(#[from] NotCertified),
    #[error("the role's credential cannot be read")]
    Credential(#[source] russh::keys::ssh_key::Error),
}

impl AgentFacing for UpstreamError {
    fn refusal(&self) -> Refusal {
        Refusal::TargetUnavailable
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Secret(_) | Self::Certified(_) | Self::Credential(_) => Fault::Internal,
            Self::Unreachable(_) | Self::Late | Self::Ssh(_) | Self::NotLetIn => Fault::Upstream,
        }
    }
}

/// A connection to a target. Dropped, it is cut.
pub(crate) struct Link {
    handle: client::Handle<Host>,
    flow: Arc<Flow>,
    _cut: DropGuard,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl Link {
    /// What slows the target down.
    pub(crate) fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }

    /// A channel for a program.
    pub(crate) async fn channel(&self) -> Result<Channel<client::Msg>, UpstreamError> {
        let opened = timeout(CHANNEL_DEADLINE, self.handle.channel_open_session()).await;
        Ok(opened.map_err(|_| UpstreamError::Late)??)
    }
}

/// Connections that no program uses.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<Vec<Link>>);

impl Idle {
    /// One that still stands.
    pub(crate) fn take(&self) -> Option<Link> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|link| !link.handle.is_closed());
        idle.pop()
    }

    /// None of them is used again.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// One whose program came to its end.
    pub(crate) fn put(&self, link: Link) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(link);
        }
    }
}

/// Connects and logs in.
pub(crate) async fn dial(session: &Session) -> Result<Link, UpstreamError> {
    timeout(DIAL_DEADLINE, log_in(session)).await.unwrap_or(Err(UpstreamError::Late))
}

async fn log_in(session: &Session) -> Result<Link, UpstreamError> {
    let Session { target, role, authority, .. } = session;
    let address = (target.host.as_str(), target.port);
    let socket = TcpStream::connect(address).await.map_err(UpstreamError::Unreachable)?;
    line::prepare(&socket, target.keepalive).map_err(UpstreamError::Unreachable)?;
    let (flow, cut) = (Arc::new(Flow::new(Grip::Stop)), CancellationToken::new());
    let wire = wire::wire(socket, (Arc::clone(&flow), Arc::default()), cut.clone());
    let cut = cut.drop_guard();
    let host = Host::new(target.trust.clone());
    let config = Arc::new(client_config(target));
    let mut handle = client::connect_stream(config, wire, host).await?;
    let answer = match &role.proof {
        RoleProof::Key(key) => {
            let key = private_key(&key.resolve().await?)?;
            // RSA signs with SHA-2; for other keys it has no meaning.
            let key = PrivateKeyWithHashAlg::new(key, Some(HashAlg::Sha512));
            handle.authenticate_publickey(&role.user, key).await?
        }
        RoleProof::Certificate { key, certificate } => {
            let key = private_key(&key.resolve().await?)?;
            let text = certificate.resolve().await?;
            let certificate = read_certificate(text.expose_text().unwrap_or_default())?;
            handle.authenticate_openssh_cert(&role.user, key, certificate).await?
        }
        RoleProof::Certified => {
            let Pass { key, certificate } = authority.pass(&role.user, session.opening.id())?;
            let (key, certificate) = (private_key(&key)?, read_certificate(&certificate)?);
            handle.authenticate_openssh_cert(&role.user, key, certificate).await?
        }
    };
    if !answer.success() {
        return Err(UpstreamError::NotLetIn);
    }
    Ok(Link { handle, flow, _cut: cut })
}

fn private_key(secret: &Secret) -> Result<Arc<PrivateKey>, UpstreamError> {
    let key = PrivateKey::from_openssh(secret.expose()).map_err(UpstreamError::Credential)?;
    Ok(Arc::new(key))
}

fn read_certificate(line: &str) -> Result<Certificate, UpstreamError> {
    Certificate::from_openssh(line.trim()).map_err(UpstreamError::Credential)
}

fn client_config(target: &SshTarget) -> client::Config {
    let mut preferred = algorithms::preferred(if target.trust.authorities().is_empty() {
        HostCertificates::NotAsked
    } else {
        HostCertificates::Asked
    });
    if target.trust.authorities().is_empty() {
        // A host with keys of several kinds shows one of the kind that is pinned.
        let pinned = target.trust.keys();
        let kinds = preferred.key.iter().filter(|kind| algorithms::has_kind(pinned, kind));
        preferred.key = Cow::Owned(kinds.cloned().collect());
    }
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(SOFTWARE)),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred,
        inactivity_timeout: None,
        // A target that is not read for a while would seem gone. TCP asks whether it is there.
        keepalive_interval: None,
        ..client::Config::default()
    }
}
