//! The wait for humans. Nothing further of the agent is taken; its connection is watched, so that an agent that goes away
//! parks its hold, and it is kept awake. The target's connection is watched too: a hold does not outlive the transaction that
//! its operation was to run in.

use super::{End, Left, Link, Session, Stop};
use crate::{
    error::SqlState,
    evidence::{Gathering, Inquiry},
    frame::{CHUNK, FrameError},
    hold_notice::{self, HEARTBEAT, REMINDER},
    line::Patience,
    mask::Masker,
    state::Block,
    upstream::error_code,
};
use countersign_core::{
    evidence::Evidence,
    gate::{Admission, Held, HoldNotice, HoldProgress},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, Interval, interval_at};

/// Bytes of the agent that are kept while its operation is held; then nothing more is read.
const MAX_WAITING_INPUT: usize = 2 * CHUNK;

/// What ends the wait.
enum Woken {
    Progress(HoldProgress),
    /// What was found out about the operation.
    Found(Box<Evidence>),
    Cancelled,
    AgentGone(End),
    TargetLost(FrameError),
    TargetSpoke,
    Heartbeat,
    Reminder,
    Arrived,
    Written,
}

/// What comes of it.
enum Next {
    Wait,
    Attach(Box<Evidence>),
    Go(Admission),
    Withdraw,
    /// The target has hung up with this state.
    TargetGone(SqlState),
}

/// What is kept while an operation is held.
struct Waiting {
    inquiry: Arc<Inquiry>,
    gathering: Gathering,
    notice: HoldNotice,
    beats: u64,
    heartbeat: Interval,
    reminder: Interval,
}

impl Session {
    /// Waits until the operation is admitted or refused. Leaving it any other way parks the hold, or makes it void.
    pub(super) async fn wait(
        &mut self,
        mut held: Box<dyn Held>,
        inquiry: Arc<Inquiry>,
    ) -> Result<Admission, Stop> {
        let start = Instant::now();
        if self.waited_in_vain > Duration::ZERO {
            held.hasten(self.waited_in_vain);
        }
        self.line.be(Patience::Holding);
        let waited = self.wait_for_humans(held, inquiry).await;
        self.line.be(Patience::Answering);
        if waited.is_err() && self.block != Block::Idle {
            self.waited_in_vain += start.elapsed();
        }
        waited
    }

    async fn wait_for_humans(
        &mut self,
        mut held: Box<dyn Held>,
        inquiry: Arc<Inquiry>,
    ) -> Result<Admission, Stop> {
        let start = Instant::now();
        let mut waiting = Waiting {
            gathering: self.gathering(held.as_ref(), &inquiry),
            inquiry,
            notice: held.notice(),
            beats: 0,
            heartbeat: interval_at(start + HEARTBEAT, HEARTBEAT),
            reminder: interval_at(start + REMINDER, REMINDER),
        };
        self.say_own(hold_notice::notice(&waiting.notice));
        if self.block == Block::Explicit
            && let Err(stop) = self.stand_still().await
        {
            return Err(self.or_gone(stop, held).await);
        }
        loop {
            let before = waiting.notice.hold;
            let woken = {
                let wait = self.woken(held.as_mut());
                tokio::select! {
                    biased;
                    woken = wait => woken,
                    evidence = waiting.gathering.evidence() => Woken::Found(Box::new(evidence)),
                    _ = waiting.heartbeat.tick() => Woken::Heartbeat,
                    _ = waiting.reminder.tick() => Woken::Reminder,
                }
            };
            let next = self.answer(woken, &mut waiting).await;
            if waiting.notice.hold != before {
                waiting.gathering = self.gathering(held.as_ref(), &waiting.inquiry);
            }
            match next {
                Ok(Next::Wait) => {}
                Ok(Next::Attach(evidence)) => held.attach(*evidence),
                Ok(Next::Go(admission)) => return Ok(admission),
                Ok(Next::Withdraw) => return Err(held.withdraw().await.into()),
                Ok(Next::TargetGone(state)) => return Err(self.target_gone(held, state).await),
                Err(stop) => return Err(self.or_gone(stop, held).await),
            }
        }
    }

    /// Why the wait stops; where the target is lost, the hold may stop with it.
    async fn or_gone(&mut self, stop: Stop, held: Box<dyn Held>) -> Stop {
        match stop {
            Stop::End(End::TargetLost(_)) => {
                self.target_gone(held, SqlState::CONNECTION_FAILURE).await
            }
            stop @ (Stop::End(_) | Stop::Refuse(_) | Stop::Failed) => stop,
        }
    }

    /// Does what is to be done about what woke the wait.
    async fn answer(&mut self, woken: Woken, waiting: &mut Waiting) -> Result<Next, Stop> {
        match woken {
            Woken::Progress(HoldProgress::Admitted(admission)) => return Ok(Next::Go(admission)),
            Woken::Progress(HoldProgress::Approved) => self.make_ready().await?,
            Woken::Progress(HoldProgress::Refused(refusal)) => return Err(refusal.into()),
            Woken::Progress(HoldProgress::Changed(changed)) => {
                waiting.notice = changed;
                self.say_own(hold_notice::notice(&waiting.notice));
            }
            Woken::Found(evidence) => return Ok(Next::Attach(evidence)),
            Woken::Cancelled => return Ok(Next::Withdraw),
            Woken::AgentGone(end) => return Err(end.into()),
            Woken::TargetLost(error) => return Err(End::TargetLost(error).into()),
            Woken::TargetSpoke => return self.target_spoke().await,
            // Where earlier words still wait for the agent to read them, more of them wake nobody.
            Woken::Heartbeat | Woken::Reminder if !self.writer.is_idle() => {}
            Woken::Heartbeat => {
                waiting.beats += 1;
                let beat = hold_notice::heartbeat(&waiting.notice, waiting.beats);
                self.writer.say(Masker::own(beat));
            }
            Woken::Reminder => self.writer.say(Masker::own(hold_notice::notice(&waiting.notice))),
            Woken::Arrived | Woken::Written => {}
        }
        Ok(Next::Wait)
    }

    /// An approval is not claimed for nothing: not while the target is down, and not for a transaction that it has ended.
    async fn make_ready(&mut self) -> Result<(), Stop> {
        match (&self.link, self.block) {
            (Link::NotDialled, _) => self.dial().await,
            (Link::Up(_), Block::Idle | Block::Explicit | Block::Failed) => {
                self.stand_still().await
            }
            // A Sync would end the pipeline's transaction. SHOW takes no snapshot, so that it is the same afterwards.
            (Link::Up(_), Block::Implicit(_)) => {
                self.own(&["SHOW transaction_isolation".to_owned()]).await.map(drop)
            }
        }
    }

    /// Has the target say where the transaction stands, which must be where it stood. What the gateway asked before is over
    /// for the target with this: it counts the session as idle, and so do its time-outs.
    async fn stand_still(&mut self) -> Result<(), Stop> {
        let expected = self.block.status();
        let status = self.upstream()?.resynchronise().await.map_err(End::TargetLost)?;
        self.hand_over_asides()?;
        if status == expected {
            Ok(())
        } else {
            Err(End::TargetLost(FrameError::Malformed { what: "ReadyForQuery" }).into())
        }
    }

    /// Takes what the target says while it is asked nothing. An error is its last word: it hangs up behind it.
    async fn target_spoke(&mut self) -> Result<Next, Stop> {
        let head = self.upstream()?.reader.head().await.map_err(End::TargetLost)?;
        if head.kind != b'E' {
            self.relay_aside(head).await?;
            return Ok(Next::Wait);
        }
        let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
        Ok(Next::TargetGone(SqlState::of_hanging_up(&error_code(body))))
    }

    /// The target is gone. What was to run in a transaction of its is void; anything else stays open, for another session.
    async fn target_gone(&mut self, held: Box<dyn Held>, state: SqlState) -> Stop {
        let hold = held.notice().hold;
        let left = match self.block {
            Block::Idle => Left::Open,
            Block::Implicit(_) | Block::Explicit | Block::Failed => {
                held.void().await;
                Left::Void
            }
        };
        End::LostWhileHeld { hold, left, state }.into()
    }

    /// Begins to find out what reviewers are shown, unless that is known.
    fn gathering(&self, held: &dyn Held, inquiry: &Arc<Inquiry>) -> Gathering {
        if !held.wants_evidence() {
            return Gathering::Over;
        }
        let (reader, places) = (self.around.reader.clone(), self.around.evidence.clone());
        Gathering::begin(Arc::clone(inquiry), reader, places)
    }

    /// Writes what was said and waits for whatever comes first. May be dropped and called again.
    async fn woken(&mut self, held: &mut dyn Held) -> Woken {
        let Self { reader, writer, heard, link, .. } = self;
        if reader.has_buffered(b'X') {
            return Woken::AgentGone(End::Terminated);
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
            progress = held.next() => Woken::Progress(progress),
            () = cancelled => Woken::Cancelled,
            head = target => head.map_or_else(Woken::TargetLost, |_| Woken::TargetSpoke),
            filled = reader.fill(), if room => {
                filled.map_or_else(|error| Woken::AgentGone(End::agent(error)), |()| Woken::Arrived)
            }
            woken = written => woken,
        }
    }
}
