//! Puts the fence up and takes it down around one operation, as the transaction stands.

use super::{Session, Stop};
use crate::{
    classify::Fence,
    fence::{self, Around, Posture},
    state::{Block, Mode},
    upstream,
};

impl Session {
    /// The fence in front of an operation, confirmed by the target.
    pub(super) async fn enter_fence(&mut self, fence: Fence) -> Result<Around, Stop> {
        let path = upstream::search_path(&self.target.search_path);
        let reader = self.reader_role().map(str::to_owned);
        match (self.block, fence) {
            (Block::Idle, fence) => {
                let wanted = fence::posture_for(fence);
                if self.posture != wanted {
                    self.posture = Posture::Unknown;
                    self.own_all(&fence::take_posture(wanted, &path, reader.as_deref())).await?;
                    self.posture = wanted;
                }
                Ok(Around::Nothing)
            }
            (Block::Implicit(Mode::Writable), Fence::ReadOnly) => {
                self.own_all(&fence::close_pipeline(reader.as_deref())).await?;
                self.block = Block::Implicit(Mode::ReadOnly);
                Ok(Around::Nothing)
            }
            (Block::Explicit, Fence::ReadOnly) => {
                self.own_all(&fence::enter_subtransaction(&path, reader.as_deref())).await?;
                Ok(Around::Subtransaction)
            }
            (Block::Implicit(_) | Block::Explicit | Block::Failed, _) => Ok(Around::Nothing),
        }
    }

    /// Takes down what is still up.
    pub(super) async fn leave_fence(&mut self, around: Around) -> Result<(), Stop> {
        match (around, self.block) {
            (Around::Subtransaction, Block::Explicit) => {
                let reader = self.reader_role().map(str::to_owned);
                self.own_all(&fence::leave_subtransaction(reader.as_deref())).await
            }
            (Around::Nothing | Around::Subtransaction, _) => Ok(()),
        }
    }

    async fn own_all(&mut self, statements: &[String]) -> Result<(), Stop> {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.own(&statements).await.map(drop)
    }
}
