//! `sessions export`: a recording in forms that others play. asciicast is described at docs.asciinema.org: version 3 counts the
//! seconds from event to event, version 2 from the beginning.

mod terminal;

use super::{pages::Pages, timeline};
use crate::{cli::CastFormat, failure::Failure, output::Terminal};
use countersign_api::{Client, recording::Recorded, time::Timestamp};
use serde_json::json;
use terminal::TerminalCast;

/// The size of the terminal that a cast is made for.
const COLUMNS: u16 = 120;
const ROWS: u16 = 36;

/// Writes a recording to stdout.
pub(super) async fn export(
    client: &Client,
    id: &str,
    format: CastFormat,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if format == CastFormat::Terminal {
        return terminals(client, id, terminal).await;
    }
    let mut pages = Pages::of(client, id);
    let mut cast: Option<Cast> = None;
    while let Some(items) = pages.next().await? {
        for recorded in items {
            if format == CastFormat::Jsonl {
                let line = serde_json::to_string(&recorded)
                    .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
                terminal.line(&line)?;
                continue;
            }
            let cast = if let Some(begun) = &mut cast {
                begun
            } else {
                terminal.line(&header(format, id, recorded.at))?;
                cast.insert(Cast { format, begun: recorded.at, last: recorded.at })
            };
            for line in cast.events(&recorded) {
                terminal.line(&line)?;
            }
        }
    }
    pages.say_whether_whole(terminal);
    Ok(())
}

async fn terminals(client: &Client, id: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let (mut pages, mut cast) = (Pages::of(client, id), TerminalCast::default());
    while let Some(items) = pages.next().await? {
        for line in items.iter().flat_map(|recorded| cast.lines(id, recorded)) {
            terminal.line(&line)?;
        }
    }
    if !cast.has_begun() {
        return Err(Failure::failed("no program of this session has run in a terminal".to_owned()));
    }
    pages.say_whether_whole(terminal);
    Ok(())
}

fn header(format: CastFormat, id: &str, begun: Timestamp) -> String {
    let (timestamp, title) = (begun.0 / 1000, format!("session {id}"));
    let header = match format {
        CastFormat::AsciicastV3 | CastFormat::Terminal => json!({
            "version": 3,
            "term": {"cols": COLUMNS, "rows": ROWS},
            "timestamp": timestamp,
            "title": title,
        }),
        CastFormat::AsciicastV2 | CastFormat::Jsonl => json!({
            "version": 2, "width": COLUMNS, "height": ROWS, "timestamp": timestamp, "title": title,
        }),
    };
    header.to_string()
}

/// A cast that is being written.
#[derive(Debug)]
struct Cast {
    format: CastFormat,
    begun: Timestamp,
    last: Timestamp,
}

impl Cast {
    fn events(&mut self, recorded: &Recorded) -> Vec<String> {
        let at = Timestamp(recorded.at.0.max(self.last.0));
        let mut events = Vec::new();
        if let Some(marker) = timeline::marker(&recorded.what) {
            events.push(self.event(at, "m", &marker));
        }
        let mut shown = timeline::lines(recorded).join("\r\n");
        shown.push_str("\r\n");
        events.push(self.event(at, "o", &shown));
        events
    }

    fn event(&mut self, at: Timestamp, kind: &str, data: &str) -> String {
        let since = match self.format {
            CastFormat::AsciicastV3 | CastFormat::Terminal => self.last,
            CastFormat::AsciicastV2 | CastFormat::Jsonl => self.begun,
        };
        self.last = at;
        let passed = std::time::Duration::from_millis(at.0.saturating_sub(since.0));
        json!([passed.as_secs_f64(), kind, data]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_api::recording::What;

    fn asked(at: u64) -> Recorded {
        let what = What::Asked {
            operation_id: "op".to_owned(),
            summary: "SELECT".to_owned(),
            text: "select 1\n, 2".to_owned(),
        };
        Recorded { at: Timestamp(at), what }
    }

    fn times(format: CastFormat) -> Vec<f64> {
        let begun = Timestamp(1000);
        let mut cast = Cast { format, begun, last: begun };
        [1000, 1500, 1400, 3000]
            .into_iter()
            .flat_map(|at| cast.events(&asked(at)))
            .map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap())
            .filter(|event| event[1] == "m")
            .map(|event| event[0].as_f64().unwrap())
            .collect()
    }

    #[test]
    fn version_3_counts_from_event_to_event_and_version_2_from_the_beginning() {
        // The clock was put back in between: time never is.
        assert_eq!(times(CastFormat::AsciicastV3), [0.0, 0.5, 0.0, 1.5]);
        assert_eq!(times(CastFormat::AsciicastV2), [0.0, 0.5, 0.5, 2.0]);
    }

    #[test]
    fn a_line_of_a_cast_ends_as_a_terminal_ends_one_and_commands_are_marked() {
        let mut cast =
            Cast { format: CastFormat::AsciicastV3, begun: Timestamp(0), last: Timestamp(0) };
        let events = cast.events(&asked(250));
        assert_eq!(events[0], r#"[0.25,"m","SELECT"]"#);
        assert!(events[1].ends_with(r#"> select 1\r\n> , 2\r\n"]"#), "{}", events[1]);
        let header = header(CastFormat::AsciicastV3, "ses_1", Timestamp(5_000));
        let header: serde_json::Value = serde_json::from_str(&header).unwrap();
        assert_eq!((&header["version"], &header["timestamp"]), (&json!(3), &json!(5)));
    }
}
