//! What a target answers: matched with what was asked, counted, and passed on once its operation is recorded.

use super::{
    Files, Stop,
    greeting::strange,
    table::{Asked, Opened, Part, Purpose, Waits},
};
use crate::{
    channel::{
        held::too_much,
        relay::{lost, released},
    },
    inflow::{Arrived, Over},
    record::Account,
    sftp::{Answer, Expected, Frames, Packet},
};
use bytes::Bytes;
use countersign_core::recording::Stream;

impl Files<'_> {
    /// Takes what the target says, until its server has ended.
    pub(super) async fn downwards(
        &self,
        mut frames: Frames,
        account: &mut Account,
    ) -> Result<(), Stop> {
        loop {
            while let Some(packet) = frames.next().map_err(|_| strange())? {
                self.told(packet).await?;
            }
            match self.target.output.next().await {
                Ok(Arrived::Data(bytes)) => {
                    account.answered(bytes.len());
                    frames.add(&bytes);
                }
                Ok(Arrived::Error(bytes)) => {
                    account.answered(bytes.len());
                    self.running.say(self.target, &self.masks, (Stream::Error, bytes)).await?;
                }
                Ok(other) => self.running.ends(other, account).await?,
                Err(Over::TooMuch) => return Err(too_much().into()),
                Err(Over::Closed) if account.is_underway() => return Err(lost().into()),
                // The end of the output goes behind the exit status, which is the last that a server has to say.
                Err(Over::Closed) => return Ok(self.running.agent.eof().await?),
            }
        }
    }

    async fn told(&self, packet: Packet) -> Result<(), Stop> {
        match self.table.answered(packet.number()) {
            Some(Waits::Question(asker)) => {
                let answer = Answer::read(&packet, Expected::Name).map_err(|_| strange())?;
                // Who asked may have stopped waiting.
                drop(asker.send(answer));
                Ok(())
            }
            Some(Waits::Operation(asked)) => self.came_to(asked, packet).await,
            Some(Waits::Open(asked, purpose, place)) => {
                self.opened(asked, packet, (purpose, place)).await
            }
            Some(Waits::Use(id, expected, opened, part)) => {
                self.used_up(packet, (id, expected), (&opened, part)).await
            }
            None => Err(strange().into()),
        }
    }

    /// The answer is all of an operation.
    async fn came_to(&self, asked: Asked, packet: Packet) -> Result<(), Stop> {
        let Asked { id, expected, operation, revision: _, reply } = asked;
        let answer = Answer::read(&packet, expected).map_err(|_| strange())?;
        self.table.came_to(operation, &answer, packet.body().len());
        let release = released(reply).await?;
        self.settle(self.table.settled(operation)).await;
        self.pass(release.masks(), operation, packet.under(id)).await
    }

    /// Something is open, or not.
    async fn opened(
        &self,
        asked: Asked,
        packet: Packet,
        (purpose, place): (Purpose, Bytes),
    ) -> Result<(), Stop> {
        let Asked { id, expected, operation, revision, reply } = asked;
        let answer = Answer::read(&packet, expected).map_err(|_| strange())?;
        self.table.came_to(operation, &answer, packet.body().len());
        let masks = released(reply).await?.masks().clone();
        if let Answer::Handle(handle) = answer {
            let opened = Opened::new((operation, revision, masks.clone()), purpose, place);
            self.table.opened(handle, opened).map_err(|_| strange())?;
        } else {
            self.settle(self.table.settled(operation)).await;
        }
        self.pass(&masks, operation, packet.under(id)).await
    }

    /// The answer is a part of the operation that opened something.
    async fn used_up(
        &self,
        packet: Packet,
        (id, expected): (u32, Expected),
        (opened, part): (&Opened, Part),
    ) -> Result<(), Stop> {
        let answer = Answer::read(&packet, expected).map_err(|_| strange())?;
        let body = packet.body();
        if let Answer::Data(length) = answer {
            let data = body.len().checked_sub(length).and_then(|at| body.get(at..));
            opened.read(part, data.unwrap_or_default());
        } else {
            opened.answered(part, &answer, body.len());
        }
        if part == Part::Closes {
            self.settle(Some(opened.settle(Some(&answer)))).await;
        }
        self.pass(&opened.masks, opened.operation, packet.under(id)).await
    }
}
