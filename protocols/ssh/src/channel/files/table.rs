//! What is under way at the target on a channel of SFTP, and what is open there. What is not in it is not passed on: an answer
//! that nobody waits for, a handle that was not given here, a use that a file was not opened for.

use crate::{
    record::Account,
    sftp::{self, Answer, Attributes, Expected, Malformed, OpenFlags, Tally, Use},
};
use bytes::Bytes;
use countersign_core::{
    gate::{Reply, Settlement},
    id::{OperationId, Revision},
    mask::{MaskPlan, MaskTally},
    operation::Operation,
    record::Outcome,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, oneshot};

/// Requests that wait for the target's answer. Further ones wait with the agent's other bytes.
const MAX_IN_FLIGHT: usize = 256;
/// Files and folders that are open at once on a channel.
pub(super) const MAX_HANDLES: usize = 256;
/// Section 6.2 of the draft: a handle has at most so many bytes.
const MAX_HANDLE: usize = 256;

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Waits {
    /// The gateway, which asks where a name leads.
    Question(oneshot::Sender<Answer>),
    /// The agent, for all that an operation is.
    Operation(Asked),
    /// The agent, for what is to be opened.
    Open(Asked, Purpose, Bytes),
    /// The agent, for a use of what is open.
    Use(u32, Expected, Arc<Opened>, Part),
}

/// An operation that was forwarded.
#[derive(Debug)]
pub(super) struct Asked {
    /// The agent's id of it.
    pub(super) id: u32,
    pub(super) expected: Expected,
    pub(super) operation: OperationId,
    /// The policy that it was let through under.
    pub(super) revision: Revision,
    pub(super) reply: Reply,
}

/// Which part of an operation a use is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Reads { offset: u64 },
    Writes,
    Other,
    Closes,
}

/// What something was opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    File(OpenFlags),
    Folder,
}

impl Purpose {
    fn reads(self) -> bool {
        matches!(self, Self::File(flags) if flags.reads())
    }

    fn writes(self) -> bool {
        matches!(self, Self::File(flags) if flags.writes())
    }

    /// Whether it may be used like this; and if so, what the target answers with.
    fn lets(self, with: &Use) -> Option<Expected> {
        let (lets, expected) = match with {
            Use::Read { length, .. } => (self.reads(), Expected::Data(*length)),
            Use::Write { .. } => (self.writes(), Expected::Status),
            // A new length is a change of the contents. Other attributes are judged apart.
            Use::SetStat(attributes) => {
                (self.writes() && attributes.is_size_alone().is_some(), Expected::Status)
            }
            Use::Copy { .. } => (self.reads(), Expected::Status),
            Use::List => (self == Self::Folder, Expected::Name),
            Use::Stat => (true, Expected::Attributes),
            Use::FileSystem => (true, Expected::Extended),
            Use::Sync | Use::Close => (true, Expected::Status),
        };
        lets.then_some(expected)
    }
}

/// Something that is open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) operation: OperationId,
    /// The policy that it was opened under, and the masks of that.
    pub(super) revision: Revision,
    pub(super) masks: MaskPlan,
    purpose: Purpose,
    /// Where it was when it was opened.
    pub(super) place: Bytes,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    read: Tally,
    written: Tally,
    /// Writes that the target has not answered.
    unanswered: usize,
    failed: Option<u32>,
}

impl Opened {
    pub(super) fn new(
        (operation, revision, masks): (OperationId, Revision, MaskPlan),
        purpose: Purpose,
        place: Bytes,
    ) -> Self {
        Self { operation, revision, masks, purpose, place, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether these attributes are no more than a new length, of a file that is open for writing.
    pub(super) fn may_be_cut(&self, attributes: &Attributes) -> bool {
        self.purpose.writes() && attributes.is_size_alone().is_some()
    }

    /// The target has told what is in the file.
    pub(super) fn read(&self, part: Part, data: &[u8]) {
        let mut used = self.used();
        used.bytes = used.bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if let Part::Reads { offset } = part {
            used.read.add(offset, data);
        }
    }

    /// The target has answered otherwise, with so many bytes. Of a file, those of its contents count.
    pub(super) fn answered(&self, part: Part, answer: &Answer, bytes: usize) {
        let mut used = self.used();
        if self.purpose == Purpose::Folder {
            used.bytes = used.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        if part == Part::Writes {
            used.unanswered = used.unanswered.saturating_sub(1);
            if let Answer::Failed(code) = answer {
                used.failed = Some(*code);
                used.written.unseen();
            }
        }
    }

    /// What became of the operation that opened it, now that it is closed, or the channel is.
    pub(super) fn settle(&self, answer: Option<&Answer>) -> Settlement {
        let used = self.used();
        let (outcome, ended) = match answer {
            Some(Answer::Failed(code)) => (Outcome::Failed, sftp::name(*code)),
            Some(_) if used.failed.is_some() => (Outcome::Failed, "closed".to_owned()),
            Some(_) => (Outcome::Completed, "closed".to_owned()),
            None if used.unanswered > 0 => (Outcome::OutcomeUnknown, "not closed".to_owned()),
            None => (Outcome::Completed, "not closed".to_owned()),
        };
        let word = [
            Some(ended),
            used.read.word().map(|word| format!("read {word}")),
            used.written.word().map(|word| format!("wrote {word}")),
            used.failed.map(|code| format!("a write failed: {}", sftp::name(code))),
        ];
        let word = word.into_iter().flatten().collect::<Vec<_>>().join("; ");
        let (operation, bytes) = (self.operation, used.bytes);
        Settlement { operation, outcome, rows: 0, bytes, word, masked: MaskTally::default() }
    }
}

/// What is under way, and what is open.
#[derive(Debug, Default)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    next: u32,
    waits: BTreeMap<u32, Waits>,
    open: BTreeMap<Bytes, Arc<Opened>>,
    /// Of what was admitted, and is not settled. What is open gives an account of itself.
    accounts: BTreeMap<OperationId, Account>,
}

impl Inner {
    /// Ids towards the target are the gateway's own: the agent's need not differ from each other.
    fn ask(&mut self, waits: Waits) -> u32 {
        while self.waits.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let own = self.next;
        self.next = own.wrapping_add(1);
        self.waits.insert(own, waits);
        own
    }
}

impl Table {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another request may be under way.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.inner().waits.len() < MAX_IN_FLIGHT {
                return;
            }
            changed.await;
        }
    }

    /// An operation was admitted. Whatever becomes of it is settled, by the end of the channel at the latest.
    pub(super) fn admitted(&self, operation: &Operation) {
        self.inner().accounts.insert(operation.id(), Account::of(operation));
    }

    /// It goes to the target now.
    pub(super) fn forwarded(&self, operation: OperationId) {
        if let Some(account) = self.inner().accounts.get_mut(&operation) {
            account.forwarded();
        }
    }

    /// The target has answered it, with so many bytes.
    pub(super) fn came_to(&self, operation: OperationId, answer: &Answer, bytes: usize) {
        if let Some(account) = self.inner().accounts.get_mut(&operation) {
            account.answered(bytes);
            match answer {
                Answer::Failed(code) => account.came_to(Outcome::Failed, sftp::name(*code)),
                Answer::Done
                | Answer::Handle(_)
                | Answer::Data(_)
                | Answer::Name(_)
                | Answer::Given => account.came_to(Outcome::Completed, "ok".to_owned()),
            }
        }
    }

    /// What became of it.
    pub(super) fn settled(&self, operation: OperationId) -> Option<Settlement> {
        self.inner().accounts.remove(&operation).map(Account::settle)
    }

    /// Somebody waits for an answer from now on, under this id.
    pub(super) fn ask(&self, waits: Waits) -> u32 {
        self.inner().ask(waits)
    }

    /// The target has answered under this id.
    pub(super) fn answered(&self, own: u32) -> Option<Waits> {
        let waits = self.inner().waits.remove(&own);
        self.changed.notify_waiters();
        waits
    }

    /// Whether nothing more may be opened.
    pub(super) fn is_full(&self) -> bool {
        let inner = self.inner();
        let opening = inner.waits.values().filter(|waits| matches!(waits, Waits::Open(..)));
        inner.open.len() + opening.count() >= MAX_HANDLES
    }

    /// The target has opened something, and calls it by this handle, which nothing else has.
    pub(super) fn opened(&self, handle: Bytes, opened: Opened) -> Result<(), Malformed> {
        if handle.len() > MAX_HANDLE || self.inner().open.contains_key(&handle) {
            return Err(Malformed);
        }
        let mut inner = self.inner();
        inner.accounts.remove(&opened.operation);
        inner.open.insert(handle, Arc::new(opened));
        Ok(())
    }

    /// What this handle is of.
    pub(super) fn of(&self, handle: &Bytes) -> Option<Arc<Opened>> {
        self.inner().open.get(handle).map(Arc::clone)
    }

    /// A use of what is open begins. Its id towards the target, or none where it is not open, or not for that. `data` is what
    /// is written.
    pub(super) fn begin(&self, id: u32, handle: &Bytes, with: &Use, data: &[u8]) -> Option<u32> {
        let mut inner = self.inner();
        let opened = inner.open.get(handle).map(Arc::clone)?;
        let expected = opened.purpose.lets(with)?;
        let part = match with {
            Use::Read { offset, .. } => Part::Reads { offset: *offset },
            Use::Write { offset, .. } => {
                let mut used = opened.used();
                used.written.add(*offset, data);
                used.unanswered += 1;
                Part::Writes
            }
            Use::SetStat(Attributes { size: Some(size), .. }) => {
                let mut used = opened.used();
                used.written.cut(*size);
                used.unanswered += 1;
                Part::Writes
            }
            Use::Copy { onto } => {
                let onto = inner.open.get(onto).filter(|onto| onto.purpose.writes())?;
                onto.used().written.unseen();
                opened.used().read.unseen();
                Part::Other
            }
            Use::SetStat(_) | Use::List | Use::Stat | Use::FileSystem | Use::Sync => Part::Other,
            Use::Close => {
                inner.open.remove(handle);
                Part::Closes
            }
        };
        Some(inner.ask(Waits::Use(id, expected, opened, part)))
    }

    /// The channel is over: what is not known to have ended.
    pub(super) fn end(&self) -> Vec<Settlement> {
        let mut inner = self.inner();
        let Inner { next: _, waits, open, accounts } = std::mem::take(&mut *inner);
        let closing = waits.into_values().filter_map(|waits| match waits {
            Waits::Use(_, _, opened, Part::Closes) => Some(opened),
            Waits::Use(_, _, _, Part::Reads { .. } | Part::Writes | Part::Other)
            | Waits::Question(_)
            | Waits::Operation(_)
            | Waits::Open(..) => None,
        });
        let open = closing.chain(open.into_values()).map(|opened| opened.settle(None));
        open.chain(accounts.into_values().map(Account::settle)).collect()
    }
}
