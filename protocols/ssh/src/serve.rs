//! The listener: what becomes of a connection that was accepted, up to its session. It knows nothing of what is said on it
//! then.

use crate::{
    algorithms::{self, HostCertificates},
    downstream::{Downstream, Entrance},
    flow::{Flow, Grip, WINDOW},
    line::{self, Holds},
    session::Session,
    target::{SessionAuthority, Targets},
    wire,
};
use countersign_core::{
    gate::{Gate, Source},
    secret::Secret,
};
use countersign_edge::{Incoming, Keepalive, Place, accept};
use russh::{
    MethodKind, MethodSet, SshId,
    keys::{Certificate, decode_secret_key},
    server,
};
use std::{borrow::Cow, fmt, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// From the first byte to the open session.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// How long a connection that was cut may take to be over.
const CUT_WITHIN: Duration = Duration::from_secs(5);
/// Proofs that are looked at on one connection.
const MAX_PROOFS: usize = 10;
/// How long a proof that is refused takes.
const REFUSED_AFTER: Duration = Duration::from_millis(500);
/// Between two questions whether a silent peer is there; they keep middle-boxes awake too.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Questions without an answer after which the connection counts as lost.
const MAX_UNANSWERED: usize = 4;
/// Messages between a channel and who takes them. They are taken at once.
pub(crate) const CHANNEL_MESSAGES: usize = 32;
/// The largest packet, in bytes of data: OpenSSH's own measure.
pub(crate) const MAX_PACKET: u32 = 32 * 1024;
/// What the gateway calls itself, which says no version.
const SOFTWARE: &str = "SSH-2.0-Countersign";

/// The gateway's own host keys.
pub trait HostKeys: Send + Sync + fmt::Debug {
    /// The keys now, the one in use first. Without any, no connection is taken. Asked for each connection.
    fn current(&self) -> Vec<HostKey>;
}

/// A host key.
#[derive(Clone, Debug)]
pub struct HostKey {
    /// The private key, in OpenSSH's format or as PKCS #8 in PEM.
    pub key: Secret,
    /// Its certificate, a line as in a `.pub` file.
    pub certificate: Option<String>,
}

/// What the listener is set up with.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The gateway's host keys.
    pub host_keys: Arc<dyn HostKeys>,
    /// What roles without a key log in with.
    pub authority: Arc<dyn SessionAuthority>,
    /// Open sessions, at most.
    pub max_sessions: usize,
    /// How agents that are silent are asked whether they are there.
    pub keepalive: Keepalive,
}

/// What sessions share.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) targets: Arc<dyn Targets>,
    pub(crate) authority: Arc<dyn SessionAuthority>,
    pub(crate) sessions: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the gateway has no host key")]
    NoHostKey,
    #[error("a host key of the gateway cannot be read")]
    HostKey(#[from] russh::keys::Error),
    #[error("the certificate of a host key of the gateway cannot be read")]
    Certificate(#[source] russh::keys::ssh_key::Error),
    #[error("nobody was identified in time")]
    Late,
    #[error("the connection was cut, and its task does not end")]
    Stuck,
    #[error("the connection ended")]
    Ssh(#[from] russh::Error),
}

/// Serves agents until `shutdown`; then takes no more, tells open sessions, and waits a short while for them.
///
/// Fails only when the listener cannot be used at all.
pub async fn serve(
    incoming: impl Incoming,
    gate: Arc<dyn Gate>,
    targets: Arc<dyn Targets>,
    config: ServeConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let sessions = Arc::new(Semaphore::new(config.max_sessions.min(Semaphore::MAX_PERMITS)));
    let authority = Arc::clone(&config.authority);
    let around = Surroundings { gate, targets, authority, sessions, shutdown: shutdown.clone() };
    let listening = Arc::new(Listening { config, around });
    accept(incoming, shutdown, |socket, address, place| {
        Arc::clone(&listening).connection(socket, address, place)
    })
    .await;
    Ok(())
}

/// What the connections of a listener share.
#[derive(Debug)]
struct Listening {
    config: ServeConfig,
    around: Surroundings,
}

impl Listening {
    async fn connection(self: Arc<Self>, socket: TcpStream, address: SocketAddr, place: Place) {
        let entrance = Entrance::default();
        let cut = CancellationToken::new();
        let ended = self.conversation((socket, address), &entrance, (place, cut.clone())).await;
        // Whatever ended it: nothing more is read or written.
        cut.cancel();
        if let Some(session) = entrance.shut() {
            session.over().await;
        }
        if let Err(error) = ended {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                source.address = %address,
                "a connection came to its end"
            );
        }
    }

    async fn conversation(
        &self,
        (socket, address): (TcpStream, SocketAddr),
        entrance: &Entrance,
        (place, cut): (Place, CancellationToken),
    ) -> Result<(), ConnectionError> {
        let deadline = Instant::now() + LOGIN_DEADLINE;
        line::prepare(&socket, self.config.keepalive)?;
        let config = Arc::new(server_config(&self.config.host_keys.current())?);
        let flow = Arc::new(Flow::new(Grip::Trickle));
        let holds = Arc::<Holds>::default();
        let wire = wire::wire(socket, (Arc::clone(&flow), Arc::clone(&holds)), cut.clone());
        let source = Source { address };
        let shared = (flow, holds, cut.clone());
        let agent = Downstream::new(self.around.clone(), source, entrance.clone(), shared);
        let begun = timeout_at(deadline, server::run_stream(config, wire, agent)).await;
        let mut running = begun.map_err(|_| ConnectionError::Late)??;
        tokio::select! {
            ended = &mut running => return Ok(ended?),
            () = entrance.passed() => drop(place),
            () = tokio::time::sleep_until(deadline) => {
                cut.cancel();
                end_of(running, &cut).await?;
                return Err(ConnectionError::Late);
            }
        }
        end_of(running, &cut).await
    }
}

/// Waits for the end of a connection; once it is cut, not for long. What the library does then is its own affair: the
/// session ends whether or not the library comes to see that its socket is gone.
async fn end_of(
    mut running: impl Future<Output = Result<(), russh::Error>> + Unpin,
    cut: &CancellationToken,
) -> Result<(), ConnectionError> {
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = cut.cancelled() => {}
    }
    let ended = timeout(CUT_WITHIN, running).await;
    Ok(ended.map_err(|_| ConnectionError::Stuck)??)
}

fn server_config(keys: &[HostKey]) -> Result<server::Config, ConnectionError> {
    // More keys of one kind say nothing more to a client, which takes the first that it knows.
    let HostKey { key, certificate } = keys.first().ok_or(ConnectionError::NoHostKey)?;
    let key = decode_secret_key(key.expose_text().unwrap_or_default(), None)?;
    let certificate = certificate.as_deref().map(Certificate::from_openssh).transpose();
    Ok(server::Config {
        server_id: SshId::Standard(Cow::Borrowed(SOFTWARE)),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        auth_rejection_time: REFUSED_AFTER,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        certificates: certificate.map_err(ConnectionError::Certificate)?.into_iter().collect(),
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred: algorithms::preferred(HostCertificates::NotAsked),
        max_auth_attempts: MAX_PROOFS,
        inactivity_timeout: None,
        keepalive_interval: Some(ASK_EVERY),
        keepalive_max: MAX_UNANSWERED,
        ..server::Config::default()
    })
}

/// The session of a connection, to be ended when the connection is over.
pub(crate) type Opened = Arc<Session>;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_cut_is_not_waited_for_for_ever() {
        let cut = CancellationToken::new();
        let asked = cut.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_hours(1)).await;
            asked.cancel();
        });
        let begun = Instant::now();
        let ended = end_of(std::future::pending(), &cut).await;
        assert!(matches!(ended, Err(ConnectionError::Stuck)), "{ended:?}");
        assert_eq!(begun.elapsed(), Duration::from_hours(1) + CUT_WITHIN);
    }
}
