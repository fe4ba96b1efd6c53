//! A session as lines for people: what was asked, decided, said and done, in order. Whatever others wrote is made visible.

use crate::visible::{visible, visible_lines};
use countersign_api::recording::{ProgramStream, Recorded, What};

/// The lines of one event.
pub(super) fn lines(recorded: &Recorded) -> Vec<String> {
    match &recorded.what {
        What::Asked { text, .. } => {
            let mut lines = vec![format!("{}", recorded.at)];
            lines.extend(visible_lines(text).map(|line| format!("> {line}")));
            lines
        }
        What::Bound { number, value } => vec![format!("    ${number} = {}", visible(value))],
        What::Held { hold_id, .. } => vec![format!("  held for approval ({hold_id})")],
        What::Refused { why, .. } => vec![format!("  refused: {}", visible(why))],
        What::Admitted { .. } => vec!["  forwarded".to_owned()],
        What::Said { speaker, text } => {
            visible_lines(text).map(|line| format!("  {speaker}: {line}")).collect()
        }
        What::Row { values } => vec![format!("  | {}", row(values))],
        What::Outcome { outcome, rows, bytes, masked, word, .. } => {
            let masked = match masked {
                0 => String::new(),
                masked => format!(", {masked} values masked"),
            };
            let word = visible(word);
            vec![format!("  {outcome}: {word} ({rows} rows, {bytes} bytes{masked})")]
        }
        What::More { text } => visible_lines(text).map(|line| format!("> {line}")).collect(),
        What::Closed { reason } => {
            vec![format!("{}", recorded.at), format!("session ended: {}", visible(reason))]
        }
        What::Wrote { stream, data, .. } => {
            let mark = match stream {
                ProgramStream::Input => "<",
                ProgramStream::Output => "|",
                ProgramStream::Error => "!",
            };
            let text = String::from_utf8_lossy(&data.0);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            visible_lines(text).map(|line| format!("  {mark} {line}")).collect()
        }
        What::Resized { columns, rows, .. } => vec![format!("  terminal: {columns} x {rows}")],
        What::Signalled { signal, .. } => vec![format!("  signal: {}", visible(signal))],
    }
}

/// The tabs between values are ours.
fn row(values: &str) -> String {
    values.split('\t').map(visible).collect::<Vec<_>>().join(" | ")
}

/// What a marker in a cast says of an event; the events that people jump to have one.
pub(super) fn marker(what: &What) -> Option<String> {
    match what {
        What::Asked { summary, .. } => Some(visible(summary)),
        What::Held { hold_id, .. } => Some(format!("held {hold_id}")),
        What::Refused { .. } => Some("refused".to_owned()),
        What::Outcome { masked, .. } if *masked > 0 => Some("masked".to_owned()),
        What::Bound { .. }
        | What::Admitted { .. }
        | What::Said { .. }
        | What::Row { .. }
        | What::Outcome { .. }
        | What::More { .. }
        | What::Closed { .. }
        | What::Wrote { .. }
        | What::Resized { .. }
        | What::Signalled { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_api::{recording::Base64Bytes, time::Timestamp};

    #[test]
    fn what_would_move_the_cursor_is_shown_and_not_done() {
        let evil = "\u{1b}[2Jgone\r\u{202e}".to_owned();
        for what in [
            What::Asked {
                operation_id: "op".to_owned(),
                summary: evil.clone(),
                text: evil.clone(),
            },
            What::Bound { number: 1, value: evil.clone() },
            What::Refused { operation_id: "op".to_owned(), why: evil.clone() },
            What::Said { speaker: "error".to_owned(), text: evil.clone() },
            What::Row { values: format!("a\t{evil}") },
            What::More { text: evil.clone() },
            What::Closed { reason: evil.clone() },
            What::Wrote {
                operation_id: "op".to_owned(),
                stream: ProgramStream::Output,
                data: Base64Bytes(evil.clone().into_bytes()),
            },
        ] {
            let shown = lines(&Recorded { at: Timestamp(0), what: what.clone() }).join("\n");
            assert!(!shown.contains(['\u{1b}', '\r', '\u{202e}']), "{shown:?}");
            assert!(shown.contains("⟨U+001B⟩"), "{shown:?}");
            assert!(marker(&what).is_none_or(|marker| !marker.contains('\u{1b}')));
        }
    }
}
