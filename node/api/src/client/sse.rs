//! Server-sent events (WHATWG HTML, section 9.2): bytes in, events out, in bounded memory.

/// The longest event, in bytes: a hold with the longest statement, as JSON.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its id, if it has one.
    pub(super) id: Option<String>,
    /// Its name; empty for `message`.
    pub(super) name: String,
    /// Its data, lines joined by line feeds.
    pub(super) data: String,
}

/// The event is longer than any of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub(super) struct TooLong;

/// Reads events from a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Bytes of the line that has not ended yet.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes the next piece; returns the events that it completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut done = Vec::new();
        for byte in bytes {
            match byte {
                // A line ends with LF or CR LF; our server sends no lone CR.
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let text = String::from_utf8_lossy(&line);
                    done.extend(self.take_line(text.strip_suffix('\r').unwrap_or(&text)));
                }
                other => self.line.push(*other),
            }
            if self.line.len() + self.event.data.len() > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(done)
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            // Comments (an empty field name), `retry` and what we do not know.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&str]) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces.iter().flat_map(|piece| parser.push(piece.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn an_event_survives_any_cut() {
        let text =
            ": hello\n\nevent: hold\r\nid: 7\r\ndata: {\"a\":\ndata:1}\n\nid: 8\n\ndata: x\n\n";
        let whole = all(&[text]);
        assert_eq!(whole.len(), 2, "comments and events without data are none");
        assert_eq!(whole[0].data, "{\"a\":\n1}");
        assert_eq!((whole[0].name.as_str(), whole[0].id.as_deref()), ("hold", Some("7")));
        for cut in 1..text.len() {
            assert_eq!(all(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..32).any(|_| parser.push(&piece).is_err()));
    }
}
