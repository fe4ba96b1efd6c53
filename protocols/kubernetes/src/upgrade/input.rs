//! What an agent sends to its program. While the program is held it is kept, within limits: it is read so that an agent that
//! goes away, or takes the command back, is noticed.

use super::socket::{self, RESIZE, STDIN, Said, Socket};
use bytes::Bytes;
use countersign_core::refusal::Refusal;
use futures::{StreamExt as _, stream::SplitStream};
use std::collections::VecDeque;

/// Bytes that are kept while the program is held. When there are more, no more is read.
const MAX_EARLY: usize = 256 * 1024;
/// What each message is counted with beside its bytes.
const OVERHEAD: usize = 64;
/// What a terminal sends for Ctrl-C.
const INTERRUPT: u8 = 3;

/// Whether a program has a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Terminal {
    Some,
    None,
}

impl Terminal {
    /// Whether a request asks for one. Everything but `false` and `0` is true for the server.
    pub(super) fn of(target: &str) -> Self {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let asks = query.split('&').any(|pair| match pair.split_once('=') {
            Some(("tty", value)) => !matches!(value, "false" | "0"),
            Some(_) => false,
            None => pair == "tty",
        });
        if asks { Self::Some } else { Self::None }
    }
}

/// What matters while a program is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Alarm {
    /// Ctrl-C in its terminal.
    Interrupted,
    /// The agent is gone.
    Gone,
    /// It said what it must not.
    Broken(Refusal),
}

/// The agent's input.
#[derive(Debug)]
pub(super) struct Input {
    stream: SplitStream<Socket>,
    terminal: Terminal,
    early: VecDeque<(u8, Bytes)>,
    kept: usize,
}

impl Input {
    pub(super) fn of(stream: SplitStream<Socket>, terminal: Terminal) -> Self {
        Self { stream, terminal, early: VecDeque::new(), kept: 0 }
    }

    /// Keeps what comes, until something happens that matters. Safe to drop and call again.
    pub(super) async fn alarm(&mut self) -> Alarm {
        loop {
            if self.kept >= MAX_EARLY {
                std::future::pending::<()>().await;
            }
            match socket::said(self.stream.next().await) {
                Ok(Said::Channel(channel, bytes)) => {
                    let interrupts = channel == STDIN
                        && self.terminal == Terminal::Some
                        && bytes.contains(&INTERRUPT);
                    self.kept = self.kept.saturating_add(bytes.len() + OVERHEAD);
                    self.early.push_back((channel, bytes));
                    if interrupts {
                        return Alarm::Interrupted;
                    }
                }
                Ok(Said::Nothing) => {}
                Ok(Said::End) => return Alarm::Gone,
                Err(refusal) => return Alarm::Broken(refusal),
            }
        }
    }

    /// The next thing that the agent sends: what was kept first. `None` is its end.
    pub(super) async fn next(&mut self) -> Result<Option<(u8, Bytes)>, Refusal> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        loop {
            match socket::said(self.stream.next().await)? {
                Said::Channel(channel, bytes) => return Ok(Some((channel, bytes))),
                Said::Nothing => {}
                Said::End => return Ok(None),
            }
        }
    }
}

/// The size of a terminal, as the API writes it: columns and rows.
pub(super) fn size(channel: u8, bytes: &[u8]) -> Option<(u16, u16)> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Size {
        width: u16,
        height: u16,
    }
    let is_size = channel == RESIZE;
    let size: Size = is_size.then(|| serde_json::from_slice(bytes).ok()).flatten()?;
    Some((size.width, size.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_asked_for_as_the_server_reads_it() {
        for (query, terminal) in [
            ("/exec?command=sh&tty=true", Terminal::Some),
            ("/exec?tty=1", Terminal::Some),
            ("/exec?tty", Terminal::Some),
            ("/exec?tty=false&command=tty", Terminal::None),
            ("/exec?tty=0", Terminal::None),
            ("/exec?command=tty%3Dtrue", Terminal::None),
            ("/exec", Terminal::None),
        ] {
            assert_eq!(Terminal::of(query), terminal, "{query}");
        }
    }

    #[test]
    fn a_size_is_columns_and_rows() {
        assert_eq!(size(RESIZE, b"{\"Width\":80,\"Height\":24}"), Some((80, 24)));
        assert_eq!(size(STDIN, b"{\"Width\":80,\"Height\":24}"), None);
        assert_eq!(size(RESIZE, b"{}"), None);
    }
}
