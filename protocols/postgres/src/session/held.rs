//! The wait for humans. Nothing further of the agent is taken; its connection is watched, so that an agent that goes away
//! parks its hold, and it is kept awake.

use super::{End, Link, Session, Stop};
use crate::{
    frame::{CHUNK, FrameError},
    hold_notice::{self, HEARTBEAT, REMINDER},
    line::Patience,
    mask::Masker,
};
use countersign_core::gate::{Admission, Held, HoldProgress};
use tokio::time::{Instant, interval_at};

/// Bytes of the agent that are kept while its operation is held; then nothing more is read.
const MAX_WAITING_INPUT: usize = 2 * CHUNK;

/// What ends the wait.
enum Woken {
    Progress(HoldProgress),
    Cancelled,
    AgentGone(End),
    TargetLost(FrameError),
    TargetSpoke,
    Heartbeat,
    Reminder,
    Arrived,
    Written,
}

impl Session {
    /// Waits until the operation is admitted or refused. Leaving it any other way parks the hold.
    pub(super) async fn wait(&mut self, held: Box<dyn Held>) -> Result<Admission, Stop> {
        self.line.be(Patience::Holding);
        let waited = self.wait_for_humans(held).await;
        self.line.be(Patience::Answering);
        waited
    }

    async fn wait_for_humans(&mut self, held: Box<dyn Held>) -> Result<Admission, Stop> {
        let mut held = held;
        let mut notice = held.notice();
        let mut beats = 0;
        let start = Instant::now();
        let mut heartbeat = interval_at(start + HEARTBEAT, HEARTBEAT);
        let mut reminder = interval_at(start + REMINDER, REMINDER);
        self.writer.say(Masker::own(hold_notice::notice(&notice)));
        loop {
            let woken = {
                let wait = self.woken(held.as_mut());
                tokio::select! {
                    biased;
                    woken = wait => woken?,
                    _ = heartbeat.tick() => Woken::Heartbeat,
                    _ = reminder.tick() => Woken::Reminder,
                }
            };
            match woken {
                Woken::Progress(HoldProgress::Admitted(admission)) => return Ok(admission),
                // A target that is down would use up the approval for nothing.
                Woken::Progress(HoldProgress::Approved) => self.dial().await?,
                Woken::Progress(HoldProgress::Refused(refusal)) => return Err(refusal.into()),
                Woken::Progress(HoldProgress::Changed(changed)) => {
                    notice = changed;
                    self.writer.say(Masker::own(hold_notice::notice(&notice)));
                }
                Woken::Cancelled => return Err(held.withdraw().await.into()),
                Woken::AgentGone(end) => return Err(end.into()),
                Woken::TargetLost(error) => return Err(End::TargetLost(error).into()),
                Woken::TargetSpoke => self.relay_waiting_aside().await?,
                // Where earlier words still wait for the agent to read them, more of them wake nobody.
                Woken::Heartbeat | Woken::Reminder if !self.writer.is_idle() => {}
                Woken::Heartbeat => {
                    beats += 1;
                    self.writer.say(Masker::own(hold_notice::heartbeat(&notice, beats)));
                }
                Woken::Reminder => self.writer.say(Masker::own(hold_notice::notice(&notice))),
                Woken::Arrived | Woken::Written => {}
            }
        }
    }

    /// Writes what was said and waits for whatever comes first. May be dropped and called again.
    async fn woken(&mut self, held: &mut dyn Held) -> Result<Woken, Stop> {
        let Self { reader, writer, heard, link, .. } = self;
        if reader.has_buffered(b'X') {
            return Ok(Woken::AgentGone(End::Terminated));
        }
        let hears = !writer.is_full();
        let cancelled = async {
            // The sender lives as long as the session; an error can only mean that it is being ended.
            if heard.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let target = async {
            match link {
                // What the target says is left with it while the agent does not read what was said before.
                Link::Up(upstream) if hears => upstream.reader.head().await,
                Link::Up(_) | Link::NotDialled => std::future::pending().await,
            }
        };
        let written = async {
            let flushed =
                if hears { Err(writer.flush_then_wait().await) } else { writer.flush().await };
            flushed.map_or_else(|error| Woken::AgentGone(End::agent(error)), |()| Woken::Written)
        };
        let room = reader.buffered() < MAX_WAITING_INPUT;
        tokio::select! {
            biased;
            progress = held.next() => Ok(Woken::Progress(progress)),
            () = cancelled => Ok(Woken::Cancelled),
            head = target => Ok(head.map_or_else(Woken::TargetLost, |_| Woken::TargetSpoke)),
            filled = reader.fill(), if room => {
                Ok(filled.map_or_else(|error| Woken::AgentGone(End::agent(error)), |()| Woken::Arrived))
            }
            woken = written => Ok(woken),
        }
    }
}
