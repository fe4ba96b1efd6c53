//! Accepts connections of peers. Handshakes run beside the accept loop, each with a deadline and all within a limit; what
//! comes out is a stream that knows which node it belongs to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::tls::Tls;
use crate::raft_types::NodeId;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at a time. Peers make few connections; a flood of others waits in the kernel's queue.
const HANDSHAKES: usize = 64;
/// Finished handshakes that wait for the server.
const READY: usize = 16;
/// After a failure to accept, which is mostly a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end, proved by the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct From(pub(crate) NodeId);

/// A connection after its handshake. It breaks when the node stops: peers keep streams open for as long as they live.
#[derive(Debug)]
pub(crate) struct PeerStream {
    stream: TlsStream<TcpStream>,
    from: From,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl PeerStream {
    fn poll_stop(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.stop.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

/// Starts accepting, until `stop`.
pub(crate) fn listen(
    listener: TcpListener,
    tls: Arc<Tls>,
    stop: CancellationToken,
) -> mpsc::Receiver<io::Result<PeerStream>> {
    let (ready, streams) = mpsc::channel(READY);
    tokio::spawn(async move {
        stop.run_until_cancelled(accept(listener, tls, ready, &stop)).await;
    });
    streams
}

async fn accept(
    listener: TcpListener,
    tls: Arc<Tls>,
    ready: mpsc::Sender<io::Result<PeerStream>>,
    stop: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    while let Ok(place) = places.clone().acquire_owned().await {
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "a peer's connection could not be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (tls, ready, stop) = (tls.clone(), ready.clone(), stop.clone());
        tokio::spawn(async move {
            let shaken = timeout(HANDSHAKE, handshake(&tls, tcp, stop)).await;
            drop(place);
            match shaken.unwrap_or_else(|late| Err(late.into())) {
                // The server has stopped when nobody takes it.
                Ok(stream) => drop(ready.send(Ok(stream)).await),
                Err(error) => tracing::debug!(%error, "a connection was refused"),
            }
        });
    }
}

async fn handshake(tls: &Tls, tcp: TcpStream, stop: CancellationToken) -> io::Result<PeerStream> {
    tcp.set_nodelay(true)?;
    let stream = TlsAcceptor::from(tls.server()).accept(tcp).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let leaf = certificates.and_then(|certificates| certificates.first());
    let from = leaf.and_then(|leaf| tls.cluster().node_of(leaf)).map(From);
    let from =
        from.ok_or_else(|| io::Error::other("the certificate names no node of the cluster"))?;
    Ok(PeerStream { stream, from, stop: Box::pin(stop.cancelled_owned()) })
}

impl Connected for PeerStream {
    type ConnectInfo = From;

    fn connect_info(&self) -> From {
        self.from
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_stop(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_stop(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
