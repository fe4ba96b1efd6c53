//! The first words with a target's SFTP server: which version it speaks, what of it is understood, where its names begin.
//! The agent hears nothing of it until it says hello itself.

use super::{
    Files, Running, Stop, Target,
    table::{MAX_HANDLES, Table},
};
use crate::{
    channel::{held::too_much, relay::lost},
    inflow::{Arrived, Over},
    record::Account,
    sftp::{self, Answer, Expected, Frames, Limits, Packet, Verb, extension},
};
use bytes::Bytes;
use countersign_core::{mask::MaskPlan, recording::Stream, refusal::Refusal};
use std::{sync::atomic::AtomicUsize, time::Duration};
use tokio::time::timeout;

/// For a server that has just been started.
const GREETING_DEADLINE: Duration = Duration::from_secs(20);

impl Running {
    /// Greets the target's server. With what it has said beyond that.
    pub(super) async fn greet<'a>(
        &'a self,
        target: &'a Target,
        masks: MaskPlan,
        (table, account): (&'a Table, &mut Account),
    ) -> Result<(Files<'a>, Frames), Stop> {
        let mut heard = Heard { running: self, target, masks, frames: Frames::default() };
        let greeted = timeout(GREETING_DEADLINE, heard.greet(account)).await;
        let (offered, start, limits) = greeted.unwrap_or(Err(Refusal::TargetUnavailable.into()))?;
        let Heard { masks, frames, .. } = heard;
        let (speaking, told) = (tokio::sync::Mutex::new(()), AtomicUsize::new(0));
        let files =
            Files { running: self, target, masks, table, offered, limits, start, speaking, told };
        Ok((files, frames))
    }
}

struct Heard<'a> {
    running: &'a Running,
    target: &'a Target,
    masks: MaskPlan,
    frames: Frames,
}

impl Heard<'_> {
    async fn greet(
        &mut self,
        account: &mut Account,
    ) -> Result<(Vec<&'static str>, Bytes, Option<Limits>), Stop> {
        let hello = self.ask(sftp::hello(), account).await?;
        let offered = sftp::extensions(&hello).map_err(|_| strange())?;
        let start = self.ask(sftp::question(0, Verb::RealPath, b"."), account).await?;
        let Ok(Answer::Name(start)) = Answer::read(&start, Expected::Name) else {
            return Err(strange().into());
        };
        let limits = if offered.contains(&extension::LIMITS) {
            let limits = self.ask(sftp::limits(0), account).await?;
            Some(Limits::read(&limits, MAX_HANDLES).map_err(|_| strange())?)
        } else {
            None
        };
        Ok((offered, start, limits))
    }

    async fn ask(&mut self, packet: Bytes, account: &mut Account) -> Result<Packet, Stop> {
        if self.target.writer.data_bytes(packet).await.is_err() {
            return Err(lost().into());
        }
        loop {
            if let Some(packet) = self.frames.next().map_err(|_| strange())? {
                return Ok(packet);
            }
            match self.target.output.next().await {
                Ok(Arrived::Data(bytes)) => self.frames.add(&bytes),
                Ok(Arrived::Error(bytes)) => {
                    account.answered(bytes.len());
                    self.running.say(self.target, &self.masks, (Stream::Error, bytes)).await?;
                }
                Ok(other) => self.running.ends(other, account).await?,
                Err(Over::TooMuch) => return Err(too_much().into()),
                Err(Over::Closed) => return Err(Refusal::TargetUnavailable.into()),
            }
        }
    }
}

/// The target does not speak as it should.
pub(super) fn strange() -> Refusal {
    tracing::warn!("a target does not speak SFTP as it should");
    Refusal::OutcomeUnknown { reason: "the target does not speak SFTP as it should".to_owned() }
}
