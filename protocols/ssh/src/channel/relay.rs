//! A program that runs: what the agent sends goes to it, what it says goes to the agent, masked and recorded. Both ways at
//! once, neither waiting for the other.

use super::{Running, Stop, agent::AgentGone, held::too_much};
use crate::{
    inflow::{Arrived, Inflow, Over},
    mask::{self, Piece},
    record::Account,
};
use bytes::Bytes;
use countersign_core::{
    gate::Reply,
    id::OperationId,
    mask::MaskPlan,
    operation::Effect,
    permit::Release,
    recording::Stream,
    refusal::{AgentFacing, Refusal},
};
use russh::{ChannelWriteHalf, Sig, client::Msg};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a program may take to end once nobody listens to it any more.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// How long a program's exit status is waited for behind the end of its output, where the agent is not done. OpenSSH's server
/// sends them one after the other, when it sees each.
const EXIT_FOLLOWS_WITHIN: Duration = Duration::from_secs(1);

/// Whether the program says no more.
#[derive(Clone, Copy, Debug)]
enum Silence {
    None,
    /// The agent does not know yet.
    Since(Instant),
    Told,
}

impl Silence {
    fn or_since(self, now: Instant) -> Self {
        if let Self::None = self { Self::Since(now) } else { self }
    }
}

/// The target's side of a channel.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) output: Inflow,
    pub(super) writer: ChannelWriteHalf<Msg>,
    pub(super) operation: OperationId,
}

impl From<AgentGone> for Stop {
    fn from(AgentGone: AgentGone) -> Self {
        Self::Gone
    }
}

impl Running {
    /// Relays until the program has ended, or must.
    pub(super) async fn relay(
        &self,
        target: &Target,
        reply: Reply,
        (account, effect): (&mut Account, Effect),
    ) -> Result<(), Stop> {
        let session = Arc::clone(&self.session);
        let stop = tokio::select! {
            ended = self.downwards(target, reply, account) => match ended {
                Ok(()) => return Ok(()),
                Err(stop) => stop,
            },
            stop = self.upwards(target) => stop,
            refusal = session.ending() => refusal.into(),
        };
        Err(self.stopped(stop, target, (account, effect)).await)
    }

    /// Ends a program that must end.
    pub(super) async fn stopped(
        &self,
        stop: Stop,
        target: &Target,
        (account, effect): (&mut Account, Effect),
    ) -> Stop {
        // The agent hears it before the program has time to end.
        let stop = match stop {
            Stop::Refused(refusal) if account.has_begun() => {
                self.agent.refuse(&refusal.after_forward(effect)).await;
                Stop::Told
            }
            stop @ (Stop::Refused(_) | Stop::Told | Stop::Gone) => stop,
        };
        self.hang_up(target, account).await;
        stop
    }

    /// What the program says.
    async fn downwards(
        &self,
        target: &Target,
        reply: Reply,
        account: &mut Account,
    ) -> Result<(), Stop> {
        let release = released(reply).await?;
        let plan = release.masks();
        let mut silence = Silence::None;
        loop {
            let arrived = tokio::select! {
                arrived = target.output.next() => arrived,
                () = self.tells(silence, account) => {
                    silence = Silence::Told;
                    self.agent.eof().await?;
                    continue;
                }
            };
            match arrived {
                Ok(Arrived::Data(bytes)) => {
                    account.answered(bytes.len());
                    self.say(target, plan, (Stream::Output, bytes)).await?;
                }
                Ok(Arrived::Error(bytes)) => {
                    account.answered(bytes.len());
                    self.say(target, plan, (Stream::Error, bytes)).await?;
                }
                Ok(Arrived::Eof) => silence = silence.or_since(Instant::now()),
                Ok(other) => self.ends(other, account).await?,
                Err(Over::TooMuch) => return Err(too_much().into()),
                Err(Over::Closed) if account.is_underway() => return Err(lost().into()),
                Err(Over::Closed) => return Ok(()),
            }
        }
    }

    /// What is not of the program's output says how it ended, if anything. It ends once.
    pub(super) async fn ends(&self, arrived: Arrived, account: &mut Account) -> Result<(), Stop> {
        match arrived {
            Arrived::ExitStatus(status) if account.is_underway() => {
                account.exited(status);
                Ok(self.agent.exited(status).await?)
            }
            Arrived::ExitSignal(killed) if account.is_underway() => {
                account.killed(&killed);
                Ok(self.agent.killed(&killed).await?)
            }
            Arrived::Failure if account.is_underway() => {
                account.not_begun();
                Err(Refusal::TargetUnavailable.into())
            }
            Arrived::ExitStatus(_)
            | Arrived::ExitSignal(_)
            | Arrived::Failure
            | Arrived::Data(_)
            | Arrived::Error(_)
            | Arrived::Eof
            | Arrived::Success
            | Arrived::Signal(_)
            | Arrived::Resized(_) => Ok(()),
        }
    }

    /// Waits until the agent is to be told that the program says no more.
    ///
    /// OpenSSH's client closes a channel of a shared connection when both sides have said their last, and from then on it
    /// cannot be told how the program ended. So it hears that first, unless it has more to say itself.
    async fn tells(&self, silence: Silence, account: &Account) {
        let Silence::Since(since) = silence else { return std::future::pending().await };
        if account.is_underway() {
            sleep_until(since + EXIT_FOLLOWS_WITHIN).await;
            if self.input.is_finished() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(super) async fn say(
        &self,
        target: &Target,
        plan: &MaskPlan,
        (stream, bytes): (Stream, Bytes),
    ) -> Result<(), Stop> {
        let piece = Piece { operation: target.operation, stream, bytes };
        let piece = mask::piece(plan, piece).map_err(|error| error.refusal())?;
        self.session.record(mask::entry(plan, &piece)).await?;
        Ok(self.agent.write(stream, mask::bytes(&piece)).await?)
    }

    /// What the agent sends, until it is gone or something is wrong.
    async fn upwards(&self, target: &Target) -> Stop {
        loop {
            let sent = match self.input.next().await {
                Ok(arrived) => self.send(target, arrived).await,
                Err(Over::Closed) => Err(Stop::Gone),
                Err(Over::TooMuch) => Err(too_much().into()),
            };
            if let Err(stop) = sent {
                return stop;
            }
        }
    }

    async fn send(&self, target: &Target, arrived: Arrived) -> Result<(), Stop> {
        let Target { writer, operation, .. } = target;
        let sent = match arrived {
            Arrived::Data(bytes) => {
                let plan = self.session.gate.masks(&self.session.opening);
                let piece = Piece { operation: *operation, stream: Stream::Input, bytes };
                let piece = mask::piece(&plan, piece).map_err(|error| error.refusal())?;
                self.session.record(mask::entry(&plan, &piece)).await?;
                writer.data_bytes(mask::bytes(&piece).into_inner()).await
            }
            Arrived::Eof => writer.eof().await,
            Arrived::Signal(signal) => {
                self.session.record(mask::signalled(*operation, &signal)).await?;
                writer.signal(signal).await
            }
            Arrived::Resized(size) => {
                let entry = mask::resized(*operation, size.columns, size.rows);
                self.session.record(entry).await?;
                writer.window_change(size.columns, size.rows, size.width, size.height).await
            }
            // RFC 4254, 5.2: an agent has no error output. The rest only a target says.
            Arrived::Error(_)
            | Arrived::ExitStatus(_)
            | Arrived::ExitSignal(_)
            | Arrived::Success
            | Arrived::Failure => Ok(()),
        };
        // Where the target is gone, its output has ended too, and that says what became of the program.
        if sent.is_err() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// Nobody listens any more: the program is told so, and what becomes of it is looked at for a moment.
    async fn hang_up(&self, target: &Target, account: &mut Account) {
        let Target { writer, output, .. } = target;
        let told = async {
            // A target that is gone needs no telling.
            drop(writer.signal(Sig::HUP).await);
            drop(writer.eof().await);
            while account.is_underway() {
                match output.next().await {
                    Ok(Arrived::ExitStatus(status)) => account.exited(status),
                    Ok(Arrived::ExitSignal(killed)) => account.killed(&killed),
                    Ok(
                        Arrived::Data(_)
                        | Arrived::Error(_)
                        | Arrived::Eof
                        | Arrived::Signal(_)
                        | Arrived::Resized(_)
                        | Arrived::Success
                        | Arrived::Failure,
                    ) => {}
                    Err(_) => break,
                }
            }
        };
        drop(timeout(ENDS_WITHIN, told).await);
        drop(timeout(ENDS_WITHIN, writer.close()).await);
    }
}

/// Waits until the answer may be written.
pub(super) async fn released(reply: Reply) -> Result<Release, Refusal> {
    match reply {
        Reply::Released(release) => Ok(release),
        Reply::Awaited(awaited) => awaited.await,
    }
}

pub(super) fn lost() -> Refusal {
    Refusal::OutcomeUnknown { reason: "the connection to the target was lost".to_owned() }
}
