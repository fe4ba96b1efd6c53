//! What is said to the agent, into the recording: as the agent hears it, before the agent hears it, unless mask rules spare
//! the agent: a recording has what they cover masked all the same. Rows are recorded where the target's definition says so. What was asked, decided and done is recorded by the gate, and so is the last word of a
//! session, which is the reason of its end.

use super::{End, Session};
use crate::{
    mask::{Complaint, Masker},
    record::{MOST_RECORDED, said, said_by_gateway},
    target::RecordedRows,
};
use bytes::Bytes;
use countersign_core::{
    mask::Masked,
    recording::{Entry, Room, Speaker},
    refusal::{AgentFacing, Refusal},
};

/// What of a row is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Records {
    Nothing,
    /// That there was one.
    Length,
    Values,
}

impl Session {
    /// Says an error or a notice of the target's.
    pub(super) fn say_words(&mut self, Complaint { told, kept }: Complaint) -> Result<(), End> {
        self.record(kept.read_as(said)).map_err(End::Refused)?;
        self.writer.say(told);
        Ok(())
    }

    /// Says an error or a notice of the gateway's own. It is said even where the recording is lost: that ends the session, and
    /// may be what is said.
    pub(super) fn say_own(&mut self, words: Bytes) {
        let plan = self.around.gate.masks(&self.opened);
        let masked = said_by_gateway(&words).masked(&plan).map_err(|error| error.refusal());
        if let Err(refusal) = masked.and_then(|masked| self.record(masked)) {
            tracing::debug!(session.id = %self.opened.id(), %refusal, "a word is not in the recording");
        }
        self.writer.say(Masker::own(words));
    }

    /// Whether a row, or a piece of COPY data, of so many bytes is recorded with its values.
    pub(super) fn records(&self, length: usize) -> Records {
        match self.target.record_rows {
            RecordedRows::None => Records::Nothing,
            RecordedRows::Masked if length <= MOST_RECORDED => Records::Values,
            RecordedRows::Masked => Records::Length,
        }
    }

    /// Says in the recording that there was a row whose values are not in it.
    pub(super) fn record_length(&mut self, length: usize) -> Result<(), End> {
        let text = format!("a row of {length} bytes is sent that is too long to be recorded");
        let entry = Entry::Said { speaker: Speaker::Gateway, text };
        let plan = self.around.gate.masks(&self.opened);
        let masked = entry.masked(&plan).map_err(|error| End::Refused(error.refusal()))?;
        self.record(masked).map_err(End::Refused)
    }

    pub(super) fn record(&mut self, entry: Masked<Entry>) -> Result<(), Refusal> {
        match self.recorder.take(entry)? {
            Room::Left => {}
            Room::Full => self.room = Room::Full,
        }
        Ok(())
    }

    /// Waits until the recording has caught up, where it is behind.
    pub(super) async fn recorded(&mut self) -> Result<(), End> {
        if self.room == Room::Full {
            self.recorder.room().await.map_err(End::Refused)?;
            self.room = Room::Left;
        }
        Ok(())
    }
}
