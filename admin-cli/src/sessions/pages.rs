//! The pages of a recording, put together: a text that goes on behind the end of a page is one again.

use crate::{failure::Failure, output::Terminal};
use countersign_api::{
    Client,
    recording::{Recorded, RecordingQuery, RecordingState, What},
};

/// A recording that is being fetched.
#[derive(Debug)]
pub(super) struct Pages<'c> {
    client: &'c Client,
    id: &'c str,
    at: At,
    /// The last event of the page before: its text may go on.
    carried: Option<Recorded>,
    state: RecordingState,
}

#[derive(Debug)]
enum At {
    Cursor(Option<String>),
    End,
}

impl<'c> Pages<'c> {
    pub(super) const fn of(client: &'c Client, id: &'c str) -> Self {
        let at = At::Cursor(None);
        Self { client, id, at, carried: None, state: RecordingState::Unfinished }
    }

    /// The next events; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Recorded>>, Failure> {
        let At::Cursor(cursor) = std::mem::replace(&mut self.at, At::End) else { return Ok(None) };
        let page = self.client.recording(self.id, &RecordingQuery { cursor }).await?.body;
        self.state = page.state;
        let mut items = joined(self.carried.take(), page.items);
        if let Some(next) = page.next {
            self.at = At::Cursor(Some(next));
            self.carried = items.pop();
        }
        Ok(Some(items))
    }

    /// Says so, if the recording had no end when the last page was fetched.
    pub(super) fn say_whether_whole(&self, terminal: &mut Terminal) {
        match self.state {
            RecordingState::Unfinished => terminal
                .note("(the recording has no end: the session goes on, or its node was lost)"),
            RecordingState::Whole => {}
        }
    }
}

fn joined(carried: Option<Recorded>, items: Vec<Recorded>) -> Vec<Recorded> {
    let mut whole = Vec::with_capacity(items.len() + 1);
    whole.extend(carried);
    for item in items {
        let before = whole.last_mut().and_then(|last: &mut Recorded| text(&mut last.what));
        match (item, before) {
            (Recorded { what: What::More { text }, .. }, Some(before)) => before.push_str(&text),
            (item, _) => whole.push(item),
        }
    }
    whole
}

const fn text(what: &mut What) -> Option<&mut String> {
    match what {
        What::Asked { text, .. }
        | What::Bound { value: text, .. }
        | What::Refused { why: text, .. }
        | What::Said { text, .. }
        | What::Row { values: text }
        | What::Outcome { word: text, .. }
        | What::More { text }
        | What::Closed { reason: text } => Some(text),
        What::Held { .. }
        | What::Admitted { .. }
        | What::Wrote { .. }
        | What::Resized { .. }
        | What::Signalled { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_api::time::Timestamp;

    fn recorded(what: What) -> Recorded {
        Recorded { at: Timestamp(1), what }
    }

    #[test]
    fn a_text_that_goes_on_behind_a_page_is_one() {
        let asked = |text: &str| {
            let (operation_id, summary) = ("op".to_owned(), "SELECT".to_owned());
            recorded(What::Asked { operation_id, summary, text: text.to_owned() })
        };
        let more = |text: &str| recorded(What::More { text: text.to_owned() });
        let admitted = recorded(What::Admitted { operation_id: "op".to_owned() });
        let whole = joined(Some(asked("a")), vec![more("b"), more("c"), admitted.clone()]);
        assert_eq!(whole, [asked("abc"), admitted.clone()]);
        // Where what it belongs to is missing, it is shown by itself.
        assert_eq!(joined(None, vec![more("x")]), [more("x")]);
        assert_eq!(joined(Some(admitted.clone()), vec![more("x")]), [admitted, more("x")]);
    }
}
