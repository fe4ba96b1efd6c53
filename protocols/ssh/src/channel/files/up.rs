//! What an agent asks for: read, resolved, judged, held where a human is needed, and sent on.

use super::{
    Files, Stop,
    resolve::{Resolved, are_names},
    table::{Asked, Opened, Purpose, Waits},
};
use crate::{
    channel::{
        held::{Turn, Wait, too_much},
        operation,
        relay::released,
        unforwarded,
    },
    forward,
    inflow::{Alarm, Arrived, Over},
    mask,
    sftp::{
        self, Answer, Attributes, Expected, Frames, Named, Packet, Request, Status, Use, Verb, kind,
    },
};
use bytes::Bytes;
use countersign_core::{
    gate::{Admission, Judged, Reply},
    operation::Operation,
    refusal::{AgentFacing, Refusal},
};
use std::sync::Arc;

/// What an agent has to say next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turns {
    Hello,
    Requests,
}

impl Files<'_> {
    /// Takes what the agent asks for, until it is gone or something is wrong.
    pub(super) async fn upwards(&self) -> Stop {
        let (mut frames, mut turns) = (Frames::default(), Turns::Hello);
        loop {
            let taken = match self.running.input.next().await {
                Ok(Arrived::Data(bytes)) => {
                    frames.add(&bytes);
                    self.take(&mut frames, &mut turns).await
                }
                Ok(Arrived::Eof) => {
                    // A target that is gone needs no telling.
                    drop(self.target.writer.eof().await);
                    Ok(())
                }
                // A server of files has no terminal, and is ended by the end of its input.
                Ok(
                    Arrived::Error(_)
                    | Arrived::Signal(_)
                    | Arrived::Resized(_)
                    | Arrived::ExitStatus(_)
                    | Arrived::ExitSignal(_)
                    | Arrived::Success
                    | Arrived::Failure,
                ) => Ok(()),
                Err(Over::Closed) => Err(Stop::Gone),
                Err(Over::TooMuch) => Err(too_much().into()),
            };
            if let Err(stop) = taken {
                return stop;
            }
        }
    }

    async fn take(&self, frames: &mut Frames, turns: &mut Turns) -> Result<(), Stop> {
        while let Some(packet) = frames.next().map_err(|_| unreadable())? {
            match (*turns, packet.kind()) {
                (Turns::Hello, kind::INIT) => {
                    *turns = Turns::Requests;
                    self.answer(mask::own(sftp::version(&self.offered))).await?;
                }
                (Turns::Hello, _) | (Turns::Requests, kind::INIT) => {
                    return Err(unreadable().into());
                }
                (Turns::Requests, _) => self.request(packet).await?,
            }
        }
        Ok(())
    }

    async fn request(&self, packet: Packet) -> Result<(), Stop> {
        let id = packet.number();
        let request = Request::read(&packet, &self.offered).map_err(|_| unreadable())?;
        match request {
            Request::Refused(status) => self.decline(id, status).await,
            Request::Limits => match self.limits {
                Some(limits) => self.answer(mask::own(limits.packet(id))).await,
                None => self.decline(id, Status::NotSupported).await,
            },
            Request::Named(named) if !are_names(&named.names) => {
                self.decline(id, Status::BadMessage).await
            }
            Request::Named(named) if Self::asks_for_start(&named) => {
                self.answer(mask::own(sftp::one_name(id, &self.start))).await
            }
            Request::Named(named) => match self.named(id, &named).await {
                Err(Stop::Refused(refusal)) => self.refuse(id, &refusal).await,
                done => done,
            },
            Request::Opened(handle, with) => match self.used(packet, &handle, with).await {
                Err(Stop::Refused(refusal)) => self.refuse(id, &refusal).await,
                done => done,
            },
        }
    }

    /// Something is to be done to files by their names.
    async fn named(&self, id: u32, named: &Named) -> Result<(), Stop> {
        if purpose(&named.verb).is_some() && self.table.is_full() {
            return Err(Refusal::Overloaded { limit: "open files of a channel" }.into());
        }
        let found = self.resolve(named).await?;
        let places: Vec<&[u8]> = found.places.iter().map(AsRef::as_ref).collect();
        let asked = (named.names != found.named.names)
            .then(|| String::from_utf8_lossy(&named.line()).into_owned());
        let session = &self.running.session;
        let operation = Arc::new(operation::files(session, &found.named, &places, asked));
        let admission = self.admitted(&operation, Some((named, &found))).await?;
        if let Some(code) = found.failure {
            self.table.came_to(operation.id(), &Answer::Failed(code), 0);
            drop(released(admission.reply).await?);
            self.settle(self.table.settled(operation.id())).await;
            return self.answer(mask::own(sftp::status_of(id, code))).await;
        }
        let waits = |asked| {
            let place = found.places.first().cloned().unwrap_or_default();
            match purpose(&found.named.verb) {
                Some(purpose) => Waits::Open(asked, purpose, place),
                None => Waits::Operation(asked),
            }
        };
        let (expected, line) = (expected(&found.named.verb), found.named.line());
        let own = self.forwarded(&operation, admission, (id, expected, &line), waits).await?;
        self.send(found.named.packet(own)).await;
        Ok(())
    }

    /// Looks once more, right before something is forwarded: since it was admitted, the session may have ended, or what it
    /// says may have become what does not pass. Then its permit is consumed, and its answer waited for: the id that it is to
    /// be sent under.
    async fn forwarded(
        &self,
        operation: &Operation,
        Admission { permit, reply }: Admission,
        (id, expected, line): (u32, Expected, &[u8]),
        waits: impl FnOnce(Asked) -> Waits + Send,
    ) -> Result<u32, Stop> {
        self.table.room().await;
        let session = &self.running.session;
        let revision = permit.revision();
        let forwarded = self.may_go(&reply).and_then(|()| {
            let gate = session.gate.as_ref();
            let forwarded = forward::request(permit, operation, gate, line);
            Ok(forwarded.map_err(|error| unforwarded(&error))?)
        });
        let operation = operation.id();
        if let Err(stop) = forwarded {
            self.settle(self.table.settled(operation)).await;
            return Err(stop);
        }
        self.table.forwarded(operation);
        Ok(self.table.ask(waits(Asked { id, expected, operation, revision, reply })))
    }

    fn may_go(&self, reply: &Reply) -> Result<(), Stop> {
        let session = &self.running.session;
        session.ended().map_or(Ok(()), Err)?;
        match self.running.input.alarmed() {
            // Nothing is done for an agent that hears no more of it.
            Some(Alarm::Over(Over::Closed)) => return Err(Stop::Gone),
            Some(Alarm::Over(Over::TooMuch)) => return Err(too_much().into()),
            Some(Alarm::Interrupted) | None => {}
        }
        session.maskable()?;
        match reply {
            Reply::Released(release) => {
                Ok(mask::passes(release.masks()).map_err(|error| error.refusal())?)
            }
            Reply::Awaited(_) => Ok(()),
        }
    }

    /// Has an operation judged, waits for humans where that is needed, and begins its account.
    async fn admitted(
        &self,
        operation: &Arc<Operation>,
        names: Option<(&Named, &Resolved)>,
    ) -> Result<Admission, Stop> {
        let admission = self.cleared(operation, names).await?;
        self.table.admitted(operation);
        Ok(admission)
    }

    async fn cleared(
        &self,
        operation: &Arc<Operation>,
        names: Option<(&Named, &Resolved)>,
    ) -> Result<Admission, Stop> {
        let session = &self.running.session;
        let judged = tokio::select! {
            judged = session.gate.judge(&session.opening, operation) => judged?,
            refusal = session.ending() => return Err(refusal.into()),
        };
        let held = match judged {
            Judged::Cleared(cleared) => {
                return Ok(session.gate.admit(&session.opening, operation, cleared).await?);
            }
            Judged::Held(held) => held,
        };
        let (agent, input) = (&self.running.agent, &self.running.input);
        let mut wait = Wait::begin(held, session, agent).await;
        loop {
            wait = match wait.turn(session, (agent, input)).await? {
                Turn::Admitted(admission) => return Ok(admission),
                Turn::Approved(wait) => wait,
            };
            // An approval is not claimed for nothing, and not for another place than the one that was approved.
            if self.target.output.is_over().is_some() {
                return Err(Refusal::TargetUnavailable.into());
            }
            if let Some((named, found)) = names
                && self.resolve(named).await? != *found
            {
                return Err(moved().into());
            }
        }
    }

    /// Something is to be done with what is open. That belongs to the operation that opened it.
    async fn used(&self, packet: Packet, handle: &Bytes, with: Use) -> Result<(), Stop> {
        let id = packet.number();
        let Some(opened) = self.table.of(handle) else {
            return self.decline(id, Status::Failure).await;
        };
        if let Use::SetStat(attributes) = &with
            && !opened.may_be_cut(attributes)
        {
            return self.set(packet, &opened, attributes).await;
        }
        self.still_may(&opened, &with)?;
        self.table.room().await;
        let data = if let Use::Write { length, .. } = with {
            let body = packet.body();
            body.len().checked_sub(length).and_then(|at| body.get(at..)).unwrap_or_default()
        } else {
            &[]
        };
        match self.table.begin(id, handle, &with, data) {
            Some(own) => {
                self.send(packet.under(own)).await;
                Ok(())
            }
            None => self.decline(id, Status::Failure).await,
        }
    }

    /// What is done with what is open is the rest of the operation that opened it: it goes on under the policy of that alone.
    /// What has been opened can be closed under any.
    fn still_may(&self, opened: &Opened, with: &Use) -> Result<(), Refusal> {
        let gate = self.running.session.gate.as_ref();
        if let Use::Copy { onto } = with
            && let Some(other) = self.table.of(onto)
        {
            drop(gate.goes_on(other.revision)?);
        }
        match with {
            Use::Close => gate.lease(),
            Use::Read { .. }
            | Use::Write { .. }
            | Use::List
            | Use::Stat
            | Use::SetStat(_)
            | Use::FileSystem
            | Use::Sync
            | Use::Copy { .. } => gate.goes_on(opened.revision),
        }
        .map(drop)
    }

    /// Attributes of an open file are set: an operation of its own, on the file as it was called when it was opened.
    async fn set(
        &self,
        packet: Packet,
        opened: &Opened,
        attributes: &Attributes,
    ) -> Result<(), Stop> {
        let session = &self.running.session;
        let operation = Arc::new(operation::set_opened(session, attributes, &opened.place));
        let admission = self.admitted(&operation, None).await?;
        let asked = (packet.number(), Expected::Status, operation.text());
        let own = self.forwarded(&operation, admission, asked, Waits::Operation).await?;
        self.send(packet.under(own)).await;
        Ok(())
    }
}

/// What something is opened for, if it is opened.
fn purpose(verb: &Verb) -> Option<Purpose> {
    if let Verb::Open(flags, _) = verb {
        return Some(Purpose::File(*flags));
    }
    matches!(verb, Verb::OpenFolder).then_some(Purpose::Folder)
}

/// What a target answers.
fn expected(verb: &Verb) -> Expected {
    match verb {
        Verb::Open(..) | Verb::OpenFolder => Expected::Handle,
        Verb::Stat | Verb::StatLink => Expected::Attributes,
        Verb::ReadLink | Verb::RealPath | Verb::ExpandPath => Expected::Name,
        Verb::FileSystem => Expected::Extended,
        Verb::SetStat(_)
        | Verb::SetStatLink(_)
        | Verb::Remove
        | Verb::MakeFolder(_)
        | Verb::RemoveFolder
        | Verb::Rename
        | Verb::RenameOver
        | Verb::HardLink
        | Verb::SymbolicLink => Expected::Status,
    }
}

fn unreadable() -> Refusal {
    Refusal::Protocol { message: "a packet of SFTP that cannot be read".to_owned() }
}

fn moved() -> Refusal {
    Refusal::Protocol { message: "the name leads elsewhere than when it was held".to_owned() }
}
