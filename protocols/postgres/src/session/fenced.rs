//! Puts the fence up and takes it down around one operation, as the transaction stands.

use super::{End, Remaking, Session, Stop};
use crate::{
    classify::Fence,
    fence::{self, Around, Made, Pinned, Posture},
    state::{Block, Mode},
    understood::{Border, Parsing, Runs, Understood},
    upstream::{self, OwnError, Standing},
};
use countersign_core::permit::Ground;

impl Session {
    /// The fence in front of an operation, confirmed by the target.
    pub(super) async fn enter_fence(
        &mut self,
        fence: Fence,
        ground: Ground,
    ) -> Result<Around, Stop> {
        let reading = self.reading(ground);
        if self.made.is_some_and(|made| !made.stands()) {
            self.doubt_posture();
        }
        match (self.block, fence) {
            (Block::Idle, Fence::ReadOnly) => {
                self.take_posture(reading).await?;
                return Ok(Around::Posture);
            }
            (Block::Implicit(Mode::Writable), Fence::ReadOnly) => {
                let close = fence::close_pipeline(reading, &self.pinned());
                self.make(reading, &close).await?;
                self.block = Block::Implicit(Mode::ReadOnly);
            }
            (Block::Implicit(Mode::ReadOnly), Fence::ReadOnly) => {
                self.take_posture(reading).await?;
            }
            (Block::Explicit, Fence::ReadOnly) => {
                let enter = fence::enter_subtransaction(reading, &self.pinned());
                self.make(reading, &enter).await?;
                return Ok(Around::Subtransaction);
            }
            (Block::Idle, Fence::Writes | Fence::TransactionControl)
            | (Block::Implicit(_) | Block::Explicit, Fence::Writes) => {
                self.take_posture(Posture::Writing).await?;
            }
            (Block::Implicit(_) | Block::Explicit, Fence::TransactionControl)
            | (Block::Failed, _) => {}
        }
        Ok(Around::Nothing)
    }

    /// How a read runs: what policy lets pass unseen has a limit in time, where the target says one.
    fn reading(&self, ground: Ground) -> Posture {
        match (ground, self.target.read_limit) {
            (Ground::Allowed, _) | (Ground::Approved, None) => Posture::Reading,
            (Ground::Approved, Some(_)) => Posture::ReadingAtLength,
        }
    }

    /// Takes down what is still up.
    pub(super) async fn leave_fence(&mut self, around: Around) -> Result<(), Stop> {
        match (around, self.block) {
            (Around::Subtransaction, Block::Explicit) => {
                let leave = fence::leave_subtransaction(&self.pinned());
                self.make(Posture::Writing, &leave).await
            }
            (Around::Posture, _) => Ok(self.confirm_posture().await?),
            (Around::Nothing | Around::Subtransaction, _) => Ok(()),
        }
    }

    /// An operation is going to be forwarded: what it leaves the session set to is not known. BEGIN alone calls nothing, and
    /// neither does a read of which that is known, under a posture that was made a moment ago.
    pub(super) fn forget_posture(&mut self, understood: &Understood) {
        if (understood.fence, understood.border) == (Fence::TransactionControl, Border::Begins) {
            return;
        }
        match &mut self.made {
            Some(made)
                if self.posture == Posture::Reading
                    && (understood.fence, understood.runs, understood.parsing)
                        == (Fence::ReadOnly, Runs::ServersCode, Parsing::Quiet)
                    && made.is_recent() =>
            {
                made.read();
            }
            Some(_) | None => self.doubt_posture(),
        }
    }

    /// The session may be set to anything by now.
    pub(super) fn doubt_posture(&mut self) {
        self.posture = Posture::Unknown;
        self.made = None;
    }

    /// What goes to the target in one flight behind a read that stands alone, so that the next read need not wait for it.
    pub(super) fn queue_posture(&mut self) -> Result<(), End> {
        let again = self.posture_alone(Posture::Reading);
        self.upstream()?.queue_own(&[again], Standing::Alone);
        self.remaking = Remaking::Sent;
        Ok(())
    }

    /// Takes the target's word for what [`Self::queue_posture`] has put behind a read, if it has.
    pub(super) async fn confirm_posture(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.remaking, Remaking::No) {
            Remaking::No => return Ok(()),
            Remaking::Sent => {}
        }
        let answered = self.upstream()?.answer_of_own(1, Standing::Alone).await;
        self.hand_over_asides()?;
        match answered {
            Ok(_) => self.posture_is(Posture::Reading),
            // A cancel of the read may have come too late for it: the posture is taken in front of the next operation.
            Err(OwnError::Refused { code, status }) => {
                tracing::debug!(%code, "the posture is not confirmed");
                self.set_block(status);
            }
            Err(OwnError::Frame(error)) => return Err(End::TargetLost(error)),
        }
        Ok(())
    }

    /// Makes sure that the gateway's own look-ups find what they name, whatever ran before them.
    pub(super) async fn known_posture(&mut self) -> Result<(), Stop> {
        match (self.posture, self.block) {
            (Posture::Reading | Posture::ReadingAtLength | Posture::Writing, _)
            | (Posture::Unknown, Block::Failed) => Ok(()),
            (Posture::Unknown, Block::Idle | Block::Implicit(Mode::ReadOnly)) => {
                self.take_posture(Posture::Reading).await
            }
            (Posture::Unknown, Block::Implicit(Mode::Writable) | Block::Explicit) => {
                self.take_posture(Posture::Writing).await
            }
        }
    }

    async fn take_posture(&mut self, wanted: Posture) -> Result<(), Stop> {
        if self.posture == wanted {
            return Ok(());
        }
        let take = match self.block {
            Block::Idle => vec![self.posture_alone(wanted)],
            Block::Implicit(_) | Block::Explicit | Block::Failed => {
                fence::take_posture(wanted, &self.pinned())
            }
        };
        self.make(wanted, &take).await
    }

    async fn make(&mut self, posture: Posture, statements: &[String]) -> Result<(), Stop> {
        self.doubt_posture();
        self.own(statements).await?;
        self.posture_is(posture);
        Ok(())
    }

    fn posture_alone(&self, posture: Posture) -> String {
        fence::take_posture_alone(posture, &self.pinned())
    }

    /// The target has confirmed it.
    fn posture_is(&mut self, posture: Posture) {
        self.posture = posture;
        self.made = (self.block == Block::Idle).then(Made::now);
    }

    fn pinned(&self) -> Pinned<'_> {
        Pinned {
            search_path: upstream::search_path(&self.target.search_path),
            reader: self.reader_role(),
            read_limit: self.target.read_limit,
        }
    }
}
