//! What the target says, into the recording: as the agent hears it, before the agent hears it. What was asked, decided and
//! done is recorded by the gate.

use super::{End, Session};
use crate::record::said;
use bytes::Bytes;
use countersign_core::{mask::Masked, recording::Room};

impl Session {
    /// Says an error or a notice of the target's.
    pub(super) fn say_words(&mut self, words: Masked<Bytes>) -> Result<(), End> {
        match self.recorder.take(words.read_as(said)).map_err(End::Refused)? {
            Room::Left => {}
            Room::Full => self.room = Room::Full,
        }
        self.writer.say(words);
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
