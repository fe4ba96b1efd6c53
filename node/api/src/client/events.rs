//! The stream of hold events. When a node goes away it is resumed on another, right after the last event that was seen.

use super::{
    Client, ClientError,
    sse::{Event, Parser},
    transport::Call,
};
use crate::hold::HoldEvent;
use futures::{Stream, stream};
use reqwest::{Response, header};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// The media type of the stream.
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// The longest silence on a stream that lives; the server breaks it every 15 s.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// How many times in a row a stream is opened again that ends, or breaks, before anything came.
const MAX_REOPENINGS: u32 = 5;
/// The pause before a stream is opened again; it grows with every time in vain.
const REOPEN_AFTER: Duration = Duration::from_millis(200);

/// Hold events, in the order of the log. It is not a stream of states: an event shows its hold as it stood when it was sent.
#[derive(Debug)]
pub struct HoldEvents {
    client: Client,
    last: Option<u64>,
    /// The holds that were heard of at `last`: a stream that is resumed repeats all of that index.
    at_last: BTreeSet<String>,
    open: Option<Open>,
    ready: VecDeque<HoldEvent>,
    /// Streams in a row that brought nothing, not even a sign of life.
    in_vain: u32,
}

#[derive(Debug)]
struct Open {
    endpoint: String,
    response: Response,
    parser: Parser,
}

impl Client {
    /// Follows the holds, from after log index `last`, or from now on.
    pub fn hold_events(&self, last: Option<u64>) -> HoldEvents {
        HoldEvents {
            client: self.clone(),
            last,
            at_last: BTreeSet::new(),
            open: None,
            ready: VecDeque::new(),
            in_vain: 0,
        }
    }
}

impl HoldEvents {
    /// The next event. An error is final when it is not about a node that went away. May be dropped and called again.
    pub async fn next(&mut self) -> Result<HoldEvent, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if self.is_new(&event) {
                    return Ok(event);
                }
                continue;
            }
            match self.read().await {
                Ok(()) => {}
                Err(error) if error.is_passing() && self.in_vain < MAX_REOPENINGS => {
                    self.lost();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the event was not heard of before the stream was resumed; remembers it.
    fn is_new(&mut self, event: &HoldEvent) -> bool {
        if self.last != Some(event.index) {
            self.last = Some(event.index);
            self.at_last.clear();
        }
        self.at_last.insert(event.hold.id.clone())
    }

    /// The index of the last event, to go on from later.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Opens the stream now instead of with the first event, so that nothing that happens after this is missed.
    pub async fn connect(&mut self) -> Result<(), ClientError> {
        if self.open.is_none() {
            self.open = Some(self.reopen().await?);
        }
        Ok(())
    }

    /// The events as a stream that ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<HoldEvent, ClientError>> {
        stream::unfold(Some(self), |events| async move {
            let mut events = events?;
            match events.next().await {
                Ok(event) => Some((Ok(event), Some(events))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Reads one piece of the stream, opening it first where needed.
    async fn read(&mut self) -> Result<(), ClientError> {
        if self.open.is_none() {
            self.open = Some(self.reopen().await?);
        }
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let piece = match tokio::time::timeout(MAX_SILENCE, open.response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Err(source)) => {
                return Err(ClientError::Transport { endpoint: open.endpoint.clone(), source });
            }
            // Ended, or silent for longer than a living node is.
            Ok(Ok(None)) | Err(_) => {
                let endpoint = open.endpoint.clone();
                self.lost();
                return if self.in_vain < MAX_REOPENINGS {
                    Ok(())
                } else {
                    Err(ClientError::StreamEnded { endpoint })
                };
            }
        };
        self.in_vain = 0;
        let wrong =
            |detail: String| ClientError::Answer { endpoint: open.endpoint.clone(), detail };
        let events = open.parser.push(&piece).map_err(|error| wrong(error.to_string()))?;
        for event in events {
            match decoded(&event).map_err(wrong)? {
                Told::Hold(event) => self.ready.push_back(*event),
                // From here the stream is resumed, also when no event came before it broke.
                Told::Begins(index) => self.last = Some(self.last.unwrap_or(index)),
                Told::Nothing => {}
            }
        }
        Ok(())
    }

    /// The open stream brings nothing more.
    fn lost(&mut self) {
        self.open = None;
        self.in_vain = self.in_vain.saturating_add(1);
    }

    async fn reopen(&self) -> Result<Open, ClientError> {
        tokio::time::sleep(REOPEN_AFTER * self.in_vain).await;
        let mut call = Call::get(&["v1", "holds", "events"]).header(header::ACCEPT, EVENT_STREAM);
        if let Some(last) = self.last {
            call = call.header(header::HeaderName::from_static("last-event-id"), last);
        }
        let (endpoint, response) = self.client.respond(call).await?;
        Ok(Open { endpoint, response, parser: Parser::default() })
    }
}

/// What an event of the stream says.
#[derive(Debug)]
enum Told {
    /// A hold changed.
    Hold(Box<HoldEvent>),
    /// Everything after this log index follows.
    Begins(u64),
    /// Nothing that this version knows.
    Nothing,
}

fn decoded(event: &Event) -> Result<Told, String> {
    match event.name.as_str() {
        "hold" => serde_json::from_str(&event.data)
            .map(|event| Told::Hold(Box::new(event)))
            .map_err(|error| error.to_string()),
        "begin" => {
            let index = event.id.as_deref().and_then(|id| id.parse().ok());
            index.map(Told::Begins).ok_or_else(|| "a stream begins at no index".to_owned())
        }
        _ => Ok(Told::Nothing),
    }
}
