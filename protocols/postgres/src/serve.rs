//! The listener: what becomes of a connection that was accepted, up to its session. It knows nothing of what is said on it
//! then.

use crate::{
    catalogue::Catalogues,
    classify::Grammar,
    credential,
    evidence::AskingPlaces,
    line::Line,
    session::{self, Surroundings},
    socket::Socket,
    startup::{self, ALPN, Begun, StartupError},
    target::Targets,
};
use countersign_core::gate::{Gate, Source};
use countersign_edge::{Incoming, Keepalive, Place, accept};
use rustls::ServerConfig;
use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

/// From the first byte to the start-up packet, the TLS handshake included.
const STARTUP_DEADLINE: Duration = Duration::from_secs(10);

/// What the listener is set up with.
#[derive(Clone)]
pub struct ServeConfig {
    /// The listener's certificate and key. The protocol name of direct TLS is added to it.
    pub tls: Arc<ServerConfig>,
    /// What reads statements.
    pub grammar: Arc<Grammar>,
    /// Open sessions, at most.
    pub max_sessions: usize,
    /// How agents that are silent are asked whether they are there.
    pub keepalive: Keepalive,
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig").field("grammar", &self.grammar).finish_non_exhaustive()
    }
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
    let surroundings = Surroundings {
        gate,
        reader: session::TextReader::Worker(config.grammar),
        catalogues: Catalogues::new(),
        evidence: AskingPlaces::default(),
        shutdown: shutdown.clone(),
    };
    let limits = (config.max_sessions, config.keepalive);
    listen(incoming, Listening::new(config.tls, targets, surroundings, limits), shutdown).await;
    Ok(())
}

/// Takes connections until `shutdown`.
pub(crate) async fn listen(
    incoming: impl Incoming,
    listening: Arc<Listening>,
    shutdown: CancellationToken,
) {
    accept(incoming, shutdown, |socket, address, place| {
        Arc::clone(&listening).connection(socket, address, place)
    })
    .await;
}

/// What the connections of a listener share.
pub(crate) struct Listening {
    tls: Arc<ServerConfig>,
    targets: Arc<dyn Targets>,
    surroundings: Arc<Surroundings>,
    sessions: Arc<Semaphore>,
    keepalive: Keepalive,
}

impl Listening {
    pub(crate) fn new(
        tls: Arc<ServerConfig>,
        targets: Arc<dyn Targets>,
        surroundings: Surroundings,
        (max_sessions, keepalive): (usize, Keepalive),
    ) -> Arc<Self> {
        let mut tls = ServerConfig::clone(&tls);
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let sessions = Arc::new(Semaphore::new(max_sessions.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            tls: Arc::new(tls),
            targets,
            surroundings: Arc::new(surroundings),
            sessions,
            keepalive,
        })
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, address: SocketAddr, place: Place) {
        let socket = Socket::new(socket);
        let line = match Line::of(&socket, self.keepalive) {
            Ok(line) => line,
            Err(error) => return tracing::debug!(%error, "a connection was lost at once"),
        };
        let begun = timeout(STARTUP_DEADLINE, startup::begin(socket, Arc::clone(&self.tls)));
        let (stream, certificate, parameters) = match begun.await.unwrap_or(Err(StartupError::Late))
        {
            Ok(Begun::Session { stream, certificate, parameters }) => {
                (stream, certificate, parameters)
            }
            Ok(Begun::Cancel(key)) => {
                return self.surroundings.gate.cancel(key, Source { address }).await;
            }
            Err(error) => {
                return tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection came to nothing"
                );
            }
        };
        let source = Source { address };
        let gate = self.surroundings.gate.as_ref();
        let admitted = match credential::admit(
            (stream, certificate),
            parameters,
            source,
            gate,
            self.targets.as_ref(),
        )
        .await
        {
            Ok(admitted) => admitted,
            Err(error) => {
                return tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "an agent was not let in"
                );
            }
        };
        drop(place);
        let room = Arc::clone(&self.sessions).try_acquire_owned().ok();
        // On the heap: a session's state is larger than what a stack should carry about.
        Box::pin(session::run(admitted, line, (Arc::clone(&self.surroundings), room))).await;
    }
}
