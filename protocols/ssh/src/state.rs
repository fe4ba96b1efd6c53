//! A channel before its program: what was asked for it so far. RFC 4254, 6.5: only one program runs on a channel.

use crate::{
    flow::Flow,
    inflow::{Inflow, Size},
};
use russh::{Channel, ChannelWriteHalf, Pty, server::Msg};
use std::sync::Arc;

/// Modes of a terminal that are kept. The standard names fewer.
const MAX_MODES: usize = 64;
/// The longest name of a terminal, in bytes.
const MAX_TERM: usize = 64;

/// A channel on which nothing runs yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) writer: ChannelWriteHalf<Msg>,
    /// What arrives is taken from the first request on: the library waits until it is.
    pub(crate) input: Inflow,
    pub(crate) terminal: Option<TerminalWish>,
}

impl Fresh {
    /// A channel that was just opened.
    pub(crate) fn of(channel: Channel<Msg>, flow: Arc<Flow>) -> Self {
        let (arriving, writer) = channel.split();
        Self { writer, input: Inflow::of(arriving, flow), terminal: None }
    }
}

/// The terminal that a program is to run in.
#[derive(Clone, Debug)]
pub(crate) struct TerminalWish {
    pub(crate) name: String,
    pub(crate) size: Size,
    pub(crate) modes: Vec<(Pty, u32)>,
}

impl TerminalWish {
    /// A wish that can be granted. The name is given to the program as it is, so it is a plain word.
    pub(crate) fn new(name: &str, size: Size, modes: &[(Pty, u32)]) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        let fits = name.len() <= MAX_TERM && name.chars().all(plain) && modes.len() <= MAX_MODES;
        fits.then(|| Self { name: name.to_owned(), size, modes: modes.to_vec() })
    }

    /// What of it gives a program's bytes their meaning, for the fingerprint. The size changes all the time.
    pub(crate) fn setting(&self) -> String {
        let modes = self.modes.iter().map(|(mode, value)| format!("{mode:?}={value}"));
        std::iter::once(self.name.clone()).chain(modes).collect::<Vec<_>>().join(" ")
    }
}

/// The state of a channel.
#[derive(Debug)]
pub(crate) enum ChannelState {
    Fresh(Box<Fresh>),
    /// A program was asked for, and runs or has run.
    Taken,
}
