//! The socket below the SSH library: read at a slower pace while what is read cannot be passed on, and cut when the
//! connection must end whatever its peer does. It knows nothing of what goes over it.

use crate::{
    flow::Flow,
    line::{self, Holds, Patience},
};
use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Bytes that are read ahead: the library reads packets in small pieces.
const READ_AHEAD: usize = 8 * 1024;
/// How long the next read waits when a peer that is granted hardly anything has sent it. What else it says comes in between.
/// Between two looks whether a peer that is not read may be read again, too.
const PAUSE: Duration = Duration::from_millis(10);

/// The socket as the library gets it.
pub(crate) type Wire = BufReader<Paced>;

/// Puts a socket under its flow. It is cut when `cut` is cancelled.
pub(crate) fn wire(
    socket: TcpStream,
    (flow, holds): (Arc<Flow>, Arc<Holds>),
    cut: CancellationToken,
) -> Wire {
    let (cut, patience) = (Box::pin(cut.cancelled_owned()), holds.patience());
    BufReader::with_capacity(READ_AHEAD, Paced { socket, flow, holds, patience, cut, pause: None })
}

/// A socket that is read at a pace.
#[derive(Debug)]
pub(crate) struct Paced {
    socket: TcpStream,
    flow: Arc<Flow>,
    holds: Arc<Holds>,
    /// What the socket was told.
    patience: Patience,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn uncut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Is as patient as it is to be. The library looks at its socket when anything happens, and a notice is written when a
    /// hold begins.
    fn settle(&mut self) {
        let patience = self.holds.patience();
        if patience != self.patience {
            self.patience = patience;
            // A socket that does not take it any more is one whose next read fails.
            if let Err(error) = line::be(&self.socket, patience) {
                tracing::debug!(%error, ?patience, "a time-out could not be set");
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
        self.settle();
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if !self.flow.is_stopped() && !self.flow.trickled() {
                break;
            }
            self.pause = Some(Box::pin(sleep(PAUSE)));
        }
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.uncut(cx)?;
        self.settle();
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Grip;
    use countersign_edge::Keepalive;
    use socket2::SockRef;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    #[tokio::test]
    async fn a_connection_is_less_patient_while_an_operation_of_its_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        line::prepare(&socket, Keepalive::default()).unwrap();
        let holds = Arc::<Holds>::default();
        let flow = Arc::new(Flow::new(Grip::Trickle));
        let mut wire = wire(socket, (flow, Arc::clone(&holds)), CancellationToken::new());
        let first = holds.one();
        let second = holds.one();
        let seconds = Duration::from_secs;
        for (held, time) in [(Some(first), 30), (Some(second), 30), (None, 300)] {
            wire.write_all(b"something happens").await.unwrap();
            let socket = SockRef::from(&wire.get_ref().socket);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(time)), "{held:?}");
            drop(held);
        }
    }
}
