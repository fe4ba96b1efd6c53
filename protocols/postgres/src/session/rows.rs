//! Rows and COPY data towards the agent. What no rule looks at passes in pieces as it comes. What is looked at is held, at
//! most [`MOST_HELD`] bytes of it: of a longer row, as much as stands in front of its last masked column's end; a value
//! that is longer than that and is looked at comes as NULL.

use super::{End, Session, recorded::Records};
use crate::{
    frame::{FrameError, Head},
    mask::{MOST_HELD, Rows, Written, put_value},
};
use bytes::{BufMut, Bytes, BytesMut};
use countersign_core::mask::MaskError;

/// How a row, or a piece of COPY data, goes to the agent.
enum Way {
    InPieces,
    Whole,
    /// Its beginning is held, the rest goes in pieces.
    Long,
}

impl Session {
    /// Relays a `DataRow`.
    pub(super) async fn relay_row(&mut self, head: Head) -> Result<(), End> {
        let records = self.records(head.body);
        if records == Records::Length {
            self.record_length(head.body)?;
        }
        let way = match self.masker.rows()? {
            Rows::Pass if records == Records::Values => Way::Whole,
            Rows::Pass => Way::InPieces,
            Rows::Columns(_) if head.body <= MOST_HELD => Way::Whole,
            Rows::Columns(_) => Way::Long,
            Rows::NotDescribed | Rows::Copied(_) => return Err(MaskError::Covered.into()),
        };
        match way {
            Way::InPieces => self.stream(head).await,
            Way::Long => self.long_row(head).await,
            Way::Whole => {
                let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
                self.count_bytes(body.len());
                self.say_values(records, (head.kind, &body))
            }
        }
    }

    /// Relays a `CopyData`.
    pub(super) async fn relay_copied(&mut self, head: Head) -> Result<(), End> {
        let records = self.records(head.body);
        if records == Records::Length {
            self.record_length(head.body)?;
        }
        match self.masker.rows()? {
            Rows::Pass if records == Records::Values => {}
            Rows::Pass => return self.stream(head).await,
            Rows::Copied(_) if head.body <= MOST_HELD => {}
            Rows::Copied(_) => return Err(MaskError::TooLarge { most: MOST_HELD }.into()),
            Rows::NotDescribed | Rows::Columns(_) => return Err(MaskError::Covered.into()),
        }
        let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
        self.count_bytes(body.len());
        self.say_values(records, (head.kind, &body))
    }

    /// Says a row, or a piece of COPY data, that is held whole, masked, and records it where rows are.
    fn say_values(&mut self, records: Records, (kind, body): (u8, &Bytes)) -> Result<(), End> {
        if records == Records::Values {
            let (message, entry) = self.masker.recorded((kind, body), &self.shape)?;
            self.record(entry).map_err(End::Refused)?;
            self.writer.say(message);
        } else {
            let message = self.masker.values((kind, body))?;
            self.writer.say(message);
        }
        Ok(())
    }

    /// Relays a message piece by piece.
    async fn stream(&mut self, head: Head) -> Result<(), End> {
        let begun = self.upstream()?.reader.begin(head);
        let masked = self.masker.piece(begun)?;
        self.writer.say_part(masked);
        while let Some(piece) = self.upstream()?.reader.chunk().await.map_err(End::TargetLost)? {
            self.count_bytes(piece.len());
            let masked = self.masker.piece(piece)?;
            self.writer.say_part(masked);
            self.writer.gather().await.map_err(End::agent)?;
        }
        self.writer.end_part();
        Ok(())
    }

    /// Relays a row that is too long to be held, whose masked columns must be held all the same.
    async fn long_row(&mut self, head: Head) -> Result<(), End> {
        drop(self.upstream()?.reader.begin(head));
        let held = self.beginning().await?;
        let left = self.upstream()?.reader.left();
        // The length counts itself.
        let length = i32::try_from(4 + held.len() + left)
            .map_err(|_| MaskError::TooLarge { most: MOST_HELD })?;
        self.count_bytes(held.len());
        let mut begun = BytesMut::with_capacity(5 + held.len());
        begun.put_u8(head.kind);
        begun.put_i32(length);
        begun.put_slice(&held);
        let masked = self.masker.masked(begun.freeze())?;
        self.writer.say_part(masked);
        while let Some(piece) = self.upstream()?.reader.chunk().await.map_err(End::TargetLost)? {
            self.count_bytes(piece.len());
            let masked = self.masker.masked(piece)?;
            self.writer.say_part(masked);
            self.writer.gather().await.map_err(End::agent)?;
        }
        self.writer.end_part();
        Ok(())
    }

    /// The beginning of a row up to the end of its last masked column, put through the plan.
    async fn beginning(&mut self) -> Result<BytesMut, End> {
        let looked_at = match self.masker.rows()? {
            Rows::Columns(columns) => columns.looked_at(),
            Rows::NotDescribed | Rows::Pass | Rows::Copied(_) => {
                return Err(MaskError::Covered.into());
            }
        };
        let mut held = BytesMut::new();
        held.put_slice(&self.exactly(2).await?);
        self.check_count(&held)?;
        for n in 0..looked_at {
            let length = self.exactly(4).await?;
            let length = length.first_chunk::<4>().map(|length| i32::from_be_bytes(*length));
            let Ok(length) = usize::try_from(length.unwrap_or(-1)) else {
                held.put_i32(-1);
                continue;
            };
            self.beginning_value((n, length), &mut held).await?;
        }
        Ok(held)
    }

    async fn beginning_value(
        &mut self,
        (n, length): (usize, usize),
        held: &mut BytesMut,
    ) -> Result<(), End> {
        let fits = held.len() + length <= MOST_HELD;
        let Rows::Columns(columns) = self.masker.rows()? else {
            return Err(MaskError::Covered.into());
        };
        if fits {
            let value = self.exactly(length).await?;
            let Rows::Columns(columns) = self.masker.rows()? else {
                return Err(MaskError::Covered.into());
            };
            let written = match columns.value(n, &value)? {
                Written::Same => Written::Other(value),
                written @ (Written::Null | Written::Other(_)) => written,
            };
            put_value(held, &written);
            return Ok(());
        }
        if columns.passes(n) {
            return Err(MaskError::TooLarge { most: MOST_HELD }.into());
        }
        columns.withheld(n);
        put_value(held, &Written::Null);
        self.upstream()?.reader.pass_over(length).await.map_err(End::TargetLost)
    }

    fn check_count(&mut self, held: &[u8]) -> Result<(), End> {
        let count = held.first_chunk::<2>().map(|count| usize::from(u16::from_be_bytes(*count)));
        match self.masker.rows()? {
            Rows::Columns(columns) if Some(columns.count()) == count => Ok(()),
            Rows::NotDescribed | Rows::Pass | Rows::Columns(_) | Rows::Copied(_) => {
                Err(End::TargetLost(FrameError::Malformed { what: "DataRow" }))
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Bytes, End> {
        self.upstream()?.reader.exactly(count).await.map_err(End::TargetLost)
    }

    pub(super) fn count_bytes(&mut self, count: usize) {
        if let Some(account) = &mut self.in_flight {
            account.bytes(count);
        }
    }
}
