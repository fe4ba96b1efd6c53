//! The terminals of a session as asciicast 3, byte for byte: what an agent saw of its shell. Nothing in it is made visible, so
//! it is for players in which control sequences do no harm, and is written only where it was asked for.

use countersign_api::{
    recording::{ProgramStream, Recorded, What},
    time::Timestamp,
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// What could not be put into a text yet.
#[derive(Debug, Default)]
struct Pending {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// A cast that is being written.
#[derive(Debug, Default)]
pub(super) struct TerminalCast {
    last: Option<Timestamp>,
    /// The operations that run in terminals.
    terminals: BTreeMap<String, Pending>,
}

impl TerminalCast {
    /// Whether any program ran in a terminal.
    pub(super) fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// The lines of one event: none, unless it is of a terminal.
    pub(super) fn lines(&mut self, session: &str, recorded: &Recorded) -> Vec<String> {
        let at = recorded.at;
        if let What::Resized { operation_id, columns, rows } = &recorded.what {
            return self.resized((session, operation_id), (*columns, *rows), at);
        }
        let What::Wrote { operation_id, stream, data } = &recorded.what else { return Vec::new() };
        let Some(pending) = self.terminals.get_mut(operation_id) else { return Vec::new() };
        let (code, pending) = match stream {
            ProgramStream::Input => ("i", &mut pending.input),
            ProgramStream::Output | ProgramStream::Error => ("o", &mut pending.output),
        };
        pending.extend_from_slice(&data.0);
        let text = whole_characters(pending);
        if text.is_empty() { Vec::new() } else { vec![self.event(at, code, &text)] }
    }

    fn resized(
        &mut self,
        (session, operation): (&str, &str),
        (columns, rows): (u64, u64),
        at: Timestamp,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if self.last.is_none() {
            let (timestamp, title) = (at.0 / 1000, format!("terminals of session {session}"));
            let term = json!({"cols": columns, "rows": rows});
            let header =
                json!({"version": 3, "term": term, "timestamp": timestamp, "title": title});
            lines.push(header.to_string());
        }
        let is_new = !self.terminals.contains_key(operation);
        if is_new {
            self.terminals.insert(operation.to_owned(), Pending::default());
            lines.push(self.event(at, "m", operation));
        }
        lines.push(self.event(at, "r", &format!("{columns}x{rows}")));
        lines
    }

    fn event(&mut self, at: Timestamp, code: &str, data: &str) -> String {
        let last = self.last.unwrap_or(at);
        let passed = Duration::from_millis(at.0.saturating_sub(last.0));
        self.last = Some(at.max(last));
        json!([passed.as_secs_f64(), code, data]).to_string()
    }
}

/// Takes the characters that are whole. What is cut off at the end stays, what is none becomes a sign for that.
fn whole_characters(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut rest = Vec::new();
    for chunk in pending.utf8_chunks() {
        text.push_str(chunk.valid());
        let cut_off = std::str::from_utf8(chunk.invalid())
            .err()
            .is_some_and(|error| error.error_len().is_none() && pending.ends_with(chunk.invalid()));
        if cut_off {
            rest = chunk.invalid().to_vec();
        } else if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    *pending = rest;
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_api::recording::Base64Bytes;

    fn wrote(at: u64, operation: &str, bytes: &[u8]) -> Recorded {
        let what = What::Wrote {
            operation_id: operation.to_owned(),
            stream: ProgramStream::Output,
            data: Base64Bytes(bytes.to_vec()),
        };
        Recorded { at: Timestamp(at), what }
    }

    fn resized(at: u64, columns: u64) -> Recorded {
        let what = What::Resized { operation_id: "op_1".to_owned(), columns, rows: 24 };
        Recorded { at: Timestamp(at), what }
    }

    #[test]
    fn a_terminal_is_played_as_it_was_seen_and_no_other_program_is() {
        let mut cast = TerminalCast::default();
        let events = [
            wrote(500, "op_0", b"no terminal"),
            resized(1000, 80),
            wrote(1500, "op_1", b"\x1b[31mred \xc3"),
            wrote(1600, "op_0", b"no terminal"),
            wrote(1750, "op_1", b"\xa9\r\n"),
            resized(1700, 120),
            wrote(3000, "op_1", b"\xff!"),
        ];
        let lines: Vec<_> = events.iter().flat_map(|event| cast.lines("ses_1", event)).collect();
        let header: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((&header["version"], &header["term"]["cols"]), (&json!(3), &json!(80)));
        assert_eq!(
            &lines[1..],
            [
                r#"[0.0,"m","op_1"]"#,
                r#"[0.0,"r","80x24"]"#,
                r#"[0.5,"o","\u001b[31mred "]"#,
                r#"[0.25,"o","é\r\n"]"#,
                // The clock was put back in between: time never is.
                r#"[0.0,"r","120x24"]"#,
                "[1.25,\"o\",\"\u{fffd}!\"]",
            ]
        );
    }

    #[test]
    fn a_session_without_a_terminal_has_no_cast() {
        let mut cast = TerminalCast::default();
        assert!(cast.lines("ses_1", &wrote(1, "op_1", b"x")).is_empty());
        assert!(!cast.has_begun());
    }
}
