//! The agent of one request, who waits for its answer. It writes nothing itself.

use crate::answer::{Answer, Stream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How one request is answered: where its answer goes, and what is cancelled when nobody is there to have it.
pub(crate) type Waiting = (oneshot::Sender<Answer>, CancellationToken);

/// The agent, and how much it has heard.
#[derive(Debug)]
pub(super) enum Agent {
    /// Nothing.
    Waits(Waiting),
    /// The head of an answer; the rest goes through this.
    Listens(Stream),
    /// Everything.
    Heard,
}

impl Agent {
    /// Gives it its answer. One that has heard the head of another hears nothing of it.
    pub(super) fn hears(&mut self, answer: Answer) {
        if let Self::Waits((reply, _)) = std::mem::replace(self, Self::Heard) {
            // Whoever has gone needs none.
            drop(reply.send(answer));
        }
    }

    /// Gives it the head of its answer, whose body goes through `stream`.
    pub(super) fn listens(&mut self, answer: Answer, stream: Stream) {
        self.hears(answer);
        *self = Self::Listens(stream);
    }

    /// What goes on to it.
    pub(super) fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Listens(stream) => Some(stream),
            Self::Waits(_) | Self::Heard => None,
        }
    }

    /// Whether nobody is there any more.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Waits((_, gone)) => gone.is_cancelled(),
            Self::Listens(stream) => stream.is_closed(),
            Self::Heard => false,
        }
    }

    /// Waits until nobody is there any more.
    pub(super) async fn gone(&self) {
        match self {
            Self::Waits((_, gone)) => gone.cancelled().await,
            Self::Listens(stream) => stream.closed().await,
            Self::Heard => std::future::pending().await,
        }
    }
}
