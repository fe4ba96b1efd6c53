//! SFTP on a channel: each request that names files is an operation of its own, judged, held and recorded like a command;
//! what is done with a file that was opened belongs to the operation that opened it. Requests go to the target in the order
//! in which the agent sends them, one that waits for humans included; answers come as they come.
//!
//! A target is asked where names lead before they are judged (`resolve`), and what it is then sent are those places. Contents
//! of files are not recorded: a recording is there to be looked at, and what went by is said in the outcome of the operation,
//! with its SHA-256. What is not known of SFTP is refused here and never passed on.

mod down;
mod greeting;
mod resolve;
mod table;
mod up;

use super::{
    Running, Stop,
    relay::{Target, released},
};
use crate::{
    error, hold_notice,
    inflow::Terminal,
    mask::{self, Piece},
    record::Account,
    sftp::{self, Limits, Status},
};
use bytes::Bytes;
use countersign_core::{
    gate::{Reply, Settlement},
    id::OperationId,
    mask::{MaskPlan, Masked},
    operation::Effect,
    recording::Stream,
    refusal::{AgentFacing, Refusal},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use table::Table;

/// Refusals that are told on the error output of a channel, beside the answer: clients show only its number, and some never
/// read the other.
const MOST_TOLD: usize = 64;

/// An SFTP session on a channel, once both sides speak.
struct Files<'a> {
    running: &'a Running,
    target: &'a Target,
    /// Those of the release that opened it.
    masks: MaskPlan,
    table: &'a Table,
    offered: Vec<&'static str>,
    limits: Option<Limits>,
    /// Where names begin that do not begin at the root.
    start: Bytes,
    /// One packet is written behind the other.
    speaking: tokio::sync::Mutex<()>,
    told: AtomicUsize,
}

impl Running {
    /// Relays SFTP until the target's server has ended, or must.
    pub(super) async fn files(
        &self,
        target: &Target,
        reply: Reply,
        (account, effect): (&mut Account, Effect),
    ) -> Result<(), Stop> {
        let session = Arc::clone(&self.session);
        let table = Table::default();
        let ended = tokio::select! {
            ended = self.serve(target, reply, (&table, account)) => ended,
            refusal = session.ending() => Err(refusal.into()),
        };
        let ended = match ended {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.stopped(stop, target, (account, effect)).await),
        };
        for settlement in table.end() {
            session.gate.settle(&session.opening, settlement).await;
        }
        ended
    }

    async fn serve(
        &self,
        target: &Target,
        reply: Reply,
        (table, account): (&Table, &mut Account),
    ) -> Result<(), Stop> {
        let masks = released(reply).await?.masks().clone();
        let (files, frames) = self.greet(target, masks, (table, account)).await?;
        tokio::select! {
            ended = files.downwards(frames, account) => ended,
            stop = files.upwards() => Err(stop),
        }
    }
}

impl Files<'_> {
    /// Writes a packet to the agent.
    async fn answer(&self, packet: Masked<Bytes>) -> Result<(), Stop> {
        let _speaking = self.speaking.lock().await;
        Ok(self.running.agent.write(Stream::Output, packet).await?)
    }

    /// Writes a packet of the target's to the agent.
    async fn pass(
        &self,
        plan: &MaskPlan,
        operation: OperationId,
        bytes: Bytes,
    ) -> Result<(), Stop> {
        let piece = Piece { operation, stream: Stream::Output, bytes };
        let piece = mask::piece(plan, piece).map_err(|error| error.refusal())?;
        self.answer(mask::bytes(&piece)).await
    }

    /// Says what became of a request that is not passed on.
    async fn decline(&self, id: u32, status: Status) -> Result<(), Stop> {
        self.answer(mask::own(sftp::status(id, status, status.words()))).await
    }

    /// Says why a request was refused.
    async fn refuse(&self, id: u32, refusal: &Refusal) -> Result<(), Stop> {
        let line = hold_notice::refused(refusal, Terminal::None);
        let words = line.strip_suffix(b"\n").unwrap_or(&line);
        let words = String::from_utf8_lossy(words).into_owned();
        if self.told.fetch_add(1, Ordering::Relaxed) < MOST_TOLD {
            self.running.agent.write(Stream::Error, mask::own(line)).await?;
        }
        self.answer(mask::own(sftp::status(id, error::status(refusal), &words))).await
    }

    /// Records what became of an operation.
    async fn settle(&self, settlement: Option<Settlement>) {
        let session = &self.running.session;
        if let Some(settlement) = settlement {
            session.gate.settle(&session.opening, settlement).await;
        }
    }

    /// Sends a packet to the target. Where the target is gone, its output has ended too, and that says what became of what
    /// was asked.
    async fn send(&self, packet: Bytes) {
        if self.target.writer.data_bytes(packet).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
