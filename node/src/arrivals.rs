//! Connections as they arrive at a listener, and whose they are. Behind a load balancer that speaks the PROXY protocol a
//! connection begins with a header that names the client; where it is to be heard, it is heard from the balancers that
//! the configuration lists and from nobody else, and a connection without it is none. Where it is not, nothing is read
//! here: a header is then whatever the listener's own protocol takes it for.

mod balancers;
mod proxy_header;

pub use balancers::BalancersError;

use crate::{config::Listen, metrics::counters};
use balancers::Balancers;
use proxy_header::{Announced, FIXED, HeaderError, Prologue};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

/// From the accept to the last byte of the header. A balancer sends it with, or right behind, its first packet.
const HEADER_DEADLINE: Duration = Duration::from_secs(3);
/// Connections whose header is being read, at most; further ones wait in the kernel's queue.
const MAX_READING: usize = 1024;
/// The least time between two lines of the log about connections that were turned away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Who says where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// The connection itself.
    ByTheSocket,
    /// The balancer that opened it, in a header.
    ByBalancers(Balancers),
}

impl Told {
    /// As the settings of the API's listener say.
    pub(crate) fn of_api(listen: &Listen) -> Result<Self, BalancersError> {
        if listen.api_proxy_protocol { Self::by(&listen.balancers) } else { Ok(Self::ByTheSocket) }
    }

    /// As the settings of the PostgreSQL listener say.
    pub(crate) fn of_postgres(listen: &Listen) -> Result<Self, BalancersError> {
        if listen.postgres_proxy_protocol {
            Self::by(&listen.balancers)
        } else {
            Ok(Self::ByTheSocket)
        }
    }

    /// As the settings of the SSH listener say.
    pub(crate) fn of_ssh(listen: &Listen) -> Result<Self, BalancersError> {
        if listen.ssh_proxy_protocol { Self::by(&listen.balancers) } else { Ok(Self::ByTheSocket) }
    }

    /// As the settings of the Kubernetes listener say.
    pub(crate) fn of_kubernetes(listen: &Listen) -> Result<Self, BalancersError> {
        if listen.kubernetes_proxy_protocol {
            Self::by(&listen.balancers)
        } else {
            Ok(Self::ByTheSocket)
        }
    }

    fn by(balancers: &[String]) -> Result<Self, BalancersError> {
        Balancers::read(balancers).map(Self::ByBalancers)
    }
}

/// The connections of one listener.
#[derive(Debug)]
pub struct Arrivals {
    listener: TcpListener,
    told: Told,
    reading: JoinSet<Result<(TcpStream, SocketAddr), (SocketAddr, Unannounced)>>,
    turned_away: TurnedAway,
}

/// Why a connection was turned away.
#[derive(Debug, thiserror::Error)]
enum Unannounced {
    #[error("it comes from no balancer that `listen.balancers` lists")]
    Stranger,
    #[error("its PROXY header did not arrive in time")]
    Late,
    #[error("it ended within its PROXY header")]
    Broken(#[source] io::Error),
    #[error("its PROXY header cannot be used")]
    Header(#[from] HeaderError),
}

impl Arrivals {
    pub(crate) fn new(listener: TcpListener, told: Told) -> Self {
        Self { listener, told, reading: JoinSet::new(), turned_away: TurnedAway::default() }
    }

    /// The next connection and its client's address. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if self.reading.len() < MAX_READING => {
                    let (stream, peer) = accepted?;
                    match &self.told {
                        Told::ByTheSocket => return Ok((stream, peer)),
                        Told::ByBalancers(balancers) if balancers.contain(peer.ip()) => {
                            self.reading.spawn(announced(stream, peer));
                        }
                        Told::ByBalancers(_) => {
                            self.turned_away.one_more(peer, &Unannounced::Stranger);
                        }
                    }
                }
                Some(read) = self.reading.join_next() => match read {
                    Ok(Ok(arrived)) => return Ok(arrived),
                    Ok(Err((peer, why))) => self.turned_away.one_more(peer, &why),
                    Err(error) => tracing::error!(%error, "a PROXY header was not read to its end"),
                }
            }
        }
    }
}

impl countersign_edge::Incoming for Arrivals {
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::next(self).await
    }
}

/// Reads the header, and not a byte behind it.
async fn announced(
    mut stream: TcpStream,
    peer: SocketAddr,
) -> Result<(TcpStream, SocketAddr), (SocketAddr, Unannounced)> {
    let read = timeout(HEADER_DEADLINE, header(&mut stream)).await;
    match read.unwrap_or(Err(Unannounced::Late)) {
        Ok(Announced::Client(client)) => Ok((stream, client)),
        Ok(Announced::Own) => Ok((stream, peer)),
        Err(why) => Err((peer, why)),
    }
}

async fn header(stream: &mut TcpStream) -> Result<Announced, Unannounced> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await.map_err(Unannounced::Broken)?;
    let prologue = Prologue::read(fixed)?;
    let mut rest = vec![0; prologue.rest()];
    stream.read_exact(&mut rest).await.map_err(Unannounced::Broken)?;
    Ok(prologue.announced(&rest)?)
}

/// What is said in the log: now and then one line, since who sends connections by the thousand must not fill it.
#[derive(Debug, Default)]
struct TurnedAway {
    told: Option<Instant>,
    since: u64,
}

impl TurnedAway {
    fn one_more(&mut self, peer: SocketAddr, why: &Unannounced) {
        counters::unannounced();
        self.since = self.since.saturating_add(1);
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let connections = std::mem::take(&mut self.since);
            self.told = Some(Instant::now());
            let error = why as &dyn std::error::Error;
            tracing::warn!(source.address = %peer, error, connections, "turned away without a client's address");
        }
    }
}

#[cfg(test)]
mod tests;
