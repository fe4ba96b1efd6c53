//! The socket below the SSH library: read at a slower pace while what is read cannot be passed on, and cut when the
//! connection must end whatever its peer does. It knows nothing of what goes over it.

use crate::flow::Flow;
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
pub(crate) fn wire(socket: TcpStream, flow: Arc<Flow>, cut: CancellationToken) -> Wire {
    let cut = Box::pin(cut.cancelled_owned());
    BufReader::with_capacity(READ_AHEAD, Paced { socket, flow, cut, pause: None })
}

/// A socket that is read at a pace.
#[derive(Debug)]
pub(crate) struct Paced {
    socket: TcpStream,
    flow: Arc<Flow>,
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
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.uncut(cx)?;
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
