//! What can arrive on a channel, and how much of it is kept: a peer's words are cut to what words are long, because they are
//! under no window. It keeps nothing itself.

use super::{Over, Terminal};
use bytes::Bytes;
use russh::{ChannelMsg, Sig};

/// What a thing that arrived counts at least, so that a million empty ones are not nothing.
const LEAST: usize = 128;
/// The longest name of a signal or a language that is kept, in bytes.
const MAX_NAME: usize = 32;
/// The longest message of a target's about how a program ended that is kept, in bytes.
const MAX_MESSAGE: usize = 256;
/// What a terminal sends for Ctrl-C.
const INTERRUPT: u8 = 3;
/// RFC 4254, 6.10. The library has names for the others.
const USR2: &str = "USR2";

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Arrived {
    Data(Bytes),
    /// Of the error output.
    Error(Bytes),
    Eof,
    Signal(Sig),
    Resized(Size),
    ExitStatus(u32),
    ExitSignal(Killed),
    /// The request was taken.
    Success,
    /// The request was refused.
    Failure,
}

/// The size of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// By which signal a program ended.
#[derive(Clone, Debug)]
pub(crate) struct Killed {
    pub(crate) signal: Sig,
    pub(crate) core_dumped: bool,
    pub(crate) message: String,
    pub(crate) language: String,
}

impl Arrived {
    /// How many bytes it counts.
    pub(super) fn counts(&self) -> usize {
        let bytes = match self {
            Self::Data(bytes) | Self::Error(bytes) => bytes.len(),
            Self::Signal(signal) => name(signal).len(),
            Self::ExitSignal(Killed { signal, core_dumped: _, message, language }) => {
                name(signal).len() + message.len() + language.len()
            }
            Self::Eof | Self::Resized(_) | Self::ExitStatus(_) | Self::Success | Self::Failure => 0,
        };
        counts(bytes)
    }
}

/// How many bytes so many of data count.
pub(super) fn counts(bytes: usize) -> usize {
    bytes.max(LEAST)
}

/// The name of a signal, without SIG.
pub(crate) fn signal_name(signal: &Sig) -> String {
    if let Sig::Custom(name) = signal { name.clone() } else { format!("{signal:?}") }
}

fn name(signal: &Sig) -> &str {
    if let Sig::Custom(name) = signal { name } else { "" }
}

/// Whether an agent may send it to its program: the standard names it.
fn is_standard(signal: &Sig) -> bool {
    matches!(name(signal), "" | USR2)
}

/// The beginning of a peer's word, which is all of it where it is one.
fn cut(mut word: String, most: usize) -> String {
    word.truncate(word.floor_char_boundary(most));
    word
}

pub(super) fn is_interrupt(message: &ChannelMsg, terminal: Terminal) -> bool {
    if let ChannelMsg::Signal { signal: Sig::INT | Sig::TERM | Sig::KILL | Sig::QUIT } = message {
        return true;
    }
    match (message, terminal) {
        (ChannelMsg::Data { data }, Terminal::Some) => data.contains(&INTERRUPT),
        (_, Terminal::Some | Terminal::None) => false,
    }
}

/// What a message says to who takes it; nothing, or that nothing more arrives.
pub(super) fn arrived(message: ChannelMsg) -> Option<Result<Arrived, Over>> {
    Some(Ok(match message {
        ChannelMsg::Data { data } => Arrived::Data(data),
        // RFC 4254, 5.2: SSH_EXTENDED_DATA_STDERR is the only one that is defined.
        ChannelMsg::ExtendedData { data, ext: 1 } => Arrived::Error(data),
        ChannelMsg::Eof => Arrived::Eof,
        ChannelMsg::Close | ChannelMsg::OpenFailure(_) => return Some(Err(Over::Closed)),
        ChannelMsg::Signal { signal } if is_standard(&signal) => Arrived::Signal(signal),
        ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
            Arrived::Resized(Size {
                columns: col_width,
                rows: row_height,
                width: pix_width,
                height: pix_height,
            })
        }
        ChannelMsg::ExitStatus { exit_status } => Arrived::ExitStatus(exit_status),
        ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, lang_tag } => {
            let signal = if let Sig::Custom(name) = signal_name {
                Sig::Custom(cut(name, MAX_NAME))
            } else {
                signal_name
            };
            let (message, language) = (cut(error_message, MAX_MESSAGE), cut(lang_tag, MAX_NAME));
            Arrived::ExitSignal(Killed { signal, core_dumped, message, language })
        }
        ChannelMsg::Success => Arrived::Success,
        ChannelMsg::Failure => Arrived::Failure,
        // Requests are answered where they arrive (`downstream`); the rest is the library's own affair.
        ChannelMsg::ExtendedData { .. }
        | ChannelMsg::Signal { .. }
        | ChannelMsg::Open { .. }
        | ChannelMsg::RequestPty { .. }
        | ChannelMsg::RequestShell { .. }
        | ChannelMsg::Exec { .. }
        | ChannelMsg::RequestSubsystem { .. }
        | ChannelMsg::RequestX11 { .. }
        | ChannelMsg::SetEnv { .. }
        | ChannelMsg::AgentForward { .. }
        | ChannelMsg::XonXoff { .. }
        | ChannelMsg::WindowAdjusted { .. }
        | _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_standard_does_not_name_is_not_kept() {
        let kept = |name: &str| {
            let signal = Sig::Custom(name.to_owned());
            matches!(arrived(ChannelMsg::Signal { signal }), Some(Ok(Arrived::Signal(_))))
        };
        assert!(kept("USR2"));
        assert!(matches!(arrived(ChannelMsg::Signal { signal: Sig::HUP }), Some(Ok(_))));
        for none in ["", "WINCH", "INFO@openssh.com", &"x".repeat(250_000)] {
            assert!(none.is_empty() || !kept(none), "{none}");
        }
    }

    #[test]
    fn what_a_target_says_of_a_signal_is_cut_and_counted() {
        let message = ChannelMsg::ExitSignal {
            signal_name: Sig::Custom("é".repeat(100_000)),
            core_dumped: false,
            error_message: "m".repeat(200_000),
            lang_tag: "l".repeat(200_000),
        };
        let Some(Ok(kept @ Arrived::ExitSignal(_))) = arrived(message) else {
            panic!("it is kept")
        };
        assert_eq!(kept.counts(), MAX_NAME + MAX_MESSAGE + MAX_NAME);
    }
}
