//! One connection to a target, over which requests go.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    header::HeaderValue,
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a connection may take to be free for the next request, when its last answer was read.
const FREE_WITHIN: Duration = Duration::from_millis(100);

/// A connection, for one request.
#[derive(Debug)]
pub(crate) struct Link {
    sender: Sender,
    authorization: Option<HeaderValue>,
    since: Instant,
}

/// A connection for many requests at a time.
#[derive(Debug)]
pub(super) struct Shared {
    sender: http2::SendRequest<Full<Bytes>>,
    authorization: Option<HeaderValue>,
    since: Instant,
}

/// What speaks one version of HTTP.
#[derive(Debug)]
pub(super) enum Sender {
    /// One request at a time.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// Many.
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// No byte of the request was sent: the library gives it back.
    Certainly(hyper::Error),
    /// Some of it may have been.
    Perhaps(hyper::Error),
}

impl Link {
    pub(super) fn new(sender: Sender, authorization: Option<HeaderValue>) -> Self {
        Self { sender, authorization, since: Instant::now() }
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// The same connection for more requests, where it carries many.
    pub(super) fn share(&self) -> Option<Shared> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Shared {
                sender: sender.clone(),
                authorization: self.authorization.clone(),
                since: self.since,
            }),
        }
    }

    /// The connection, if it takes a request now.
    pub(super) async fn ready(mut self) -> Option<Self> {
        let free = match &mut self.sender {
            Sender::Http1(sender) => timeout(FREE_WITHIN, sender.ready()).await,
            Sender::Http2(sender) => timeout(FREE_WITHIN, sender.ready()).await,
        };
        matches!(free, Ok(Ok(()))).then_some(self)
    }

    /// The gateway's token, where it logs in with one.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Whether the whole URL stands in a request, and no `Host`.
    pub(crate) fn names_host_in_url(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request, and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unsent> {
        let unsent = |given_back: bool, error| {
            if given_back { Unsent::Certainly(error) } else { Unsent::Perhaps(error) }
        };
        match &mut self.sender {
            Sender::Http1(sender) => sender
                .try_send_request(request)
                .await
                .map_err(|mut error| unsent(error.take_message().is_some(), error.into_error())),
            Sender::Http2(sender) => sender
                .try_send_request(request)
                .await
                .map_err(|mut error| unsent(error.take_message().is_some(), error.into_error())),
        }
    }
}

impl Shared {
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn is_over(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn link(&self) -> Link {
        Link {
            sender: Sender::Http2(self.sender.clone()),
            authorization: self.authorization.clone(),
            since: self.since,
        }
    }
}
