//! The agent's side of a connection, as the SSH library asks about it: who is there, which channels are open, what is to run
//! on them. Requests are answered here, at once and in their order; programs run in tasks of their own (`channel`), because
//! whoever waits here keeps the whole connection waiting.
//!
//! What is not named here is refused: that is the library's default for channels, and is written out for requests.

use crate::{
    algorithms,
    channel::{self, Program},
    credential::{self, LoggedIn},
    error,
    flow::Flow,
    inflow::Size,
    line::Holds,
    serve::{Opened, Surroundings},
    session::Session,
    state::{ChannelState, Fresh, TerminalWish},
};
use countersign_core::{
    gate::{Proof, Source},
    refusal::Refusal,
    secret::Secret,
};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, Pty,
    keys::Certificate,
    server::{
        Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session as Library,
        VerifiedPublicKey,
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Channels that are open at once on one connection.
const MAX_CHANNELS: usize = 64;
/// The one subsystem that there is.
const SFTP: &str = "sftp";

/// The way in: what becomes known of a connection from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrance {
    door: Arc<Mutex<Door>>,
    passed: CancellationToken,
}

#[derive(Debug, Default)]
enum Door {
    #[default]
    Open,
    Passed(Opened),
    /// The connection is over.
    Shut,
}

/// The connection was over before anybody was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct TooLate;

impl Entrance {
    /// Waits until somebody was let in.
    pub(crate) async fn passed(&self) {
        self.passed.cancelled().await;
    }

    /// Lets nobody in any more. The session, if there is one: whoever asks closes it, and is told of it once.
    pub(crate) fn shut(&self) -> Option<Opened> {
        match std::mem::replace(&mut *self.door(), Door::Shut) {
            Door::Passed(session) => Some(session),
            Door::Open | Door::Shut => None,
        }
    }

    fn let_in(&self, session: &Opened) -> Result<(), TooLate> {
        let mut door = self.door();
        if let Door::Shut = *door {
            return Err(TooLate);
        }
        *door = Door::Passed(Arc::clone(session));
        self.passed.cancel();
        Ok(())
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The agent's side.
#[derive(Debug)]
pub(crate) struct Downstream {
    around: Surroundings,
    source: Source,
    entrance: Entrance,
    flow: Arc<Flow>,
    holds: Arc<Holds>,
    cut: CancellationToken,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Unidentified,
    Identified(Box<LoggedIn>),
    Open(Opened, HashMap<ChannelId, ChannelState>),
    /// Nobody was let in, or not any more.
    Over,
}

impl Downstream {
    pub(crate) fn new(
        around: Surroundings,
        source: Source,
        entrance: Entrance,
        (flow, holds, cut): (Arc<Flow>, Arc<Holds>, CancellationToken),
    ) -> Self {
        Self { around, source, entrance, flow, holds, cut, stage: Stage::Unidentified }
    }

    /// Checks a proof that the library has seen to be one: of a key, a signature over this connection.
    async fn prove(&mut self, proof: Proof, user: &str) -> Auth {
        let (source, gate) = (self.source.clone(), self.around.gate.as_ref());
        match credential::identify(proof, user, source, gate).await {
            Ok(logged_in) => {
                self.stage = Stage::Identified(Box::new(logged_in));
                Auth::Accept
            }
            Err(refusal) => {
                tracing::info!(source.address = %self.source.address, %refusal, "an agent was not let in");
                self.stage = Stage::Unidentified;
                Auth::reject()
            }
        }
    }

    async fn open(&mut self, logged_in: LoggedIn, agent: Handle) -> Result<Opened, Refusal> {
        let full = |_| Refusal::Overloaded { limit: "limits.sessions" };
        let room = Arc::clone(&self.around.sessions).try_acquire_owned().map_err(full)?;
        let Surroundings { gate, targets, authority, .. } = &self.around;
        let source = self.source.clone();
        let admitted = credential::open(logged_in, source, gate.as_ref(), targets.as_ref()).await?;
        let cluster = (Arc::clone(gate), Arc::clone(authority));
        let (session, signals) =
            Session::new(cluster, admitted, (agent, Arc::clone(&self.holds), room));
        let watched = (signals, self.around.shutdown.clone(), self.cut.clone());
        tokio::spawn(Arc::clone(&session).watch(watched));
        Ok(session)
    }

    /// A channel on which nothing runs yet.
    fn fresh(&mut self, channel: ChannelId) -> Option<&mut Fresh> {
        match &mut self.stage {
            Stage::Open(_, channels) => match channels.get_mut(&channel) {
                Some(ChannelState::Fresh(fresh)) => Some(fresh),
                Some(ChannelState::Taken) | None => None,
            },
            Stage::Unidentified | Stage::Identified(_) | Stage::Over => None,
        }
    }

    /// Runs a program on a channel, or refuses to.
    fn run(
        &mut self,
        channel: ChannelId,
        program: Program,
        library: &mut Library,
    ) -> Result<(), Error> {
        let Stage::Open(session, channels) = &mut self.stage else {
            return library.channel_failure(channel);
        };
        // A program outlives its channel by what it takes to end it.
        if session.program_count() >= MAX_CHANNELS || session.is_ending() {
            return library.channel_failure(channel);
        }
        match channels.insert(channel, ChannelState::Taken) {
            Some(ChannelState::Fresh(fresh)) => {
                library.channel_success(channel)?;
                fresh.input.begins();
                session.spawn(channel::run(Arc::clone(session), *fresh, program));
                Ok(())
            }
            Some(ChannelState::Taken) | None => library.channel_failure(channel),
        }
    }

    /// Data where nothing runs that could take it.
    fn early(&mut self, channel: ChannelId, library: &mut Library) -> Result<(), Error> {
        if self.fresh(channel).is_none() {
            return Ok(());
        }
        self.stage = Stage::Over;
        library.disconnect(Disconnect::ProtocolError, "data before a request", "")
    }
}

impl Handler for Downstream {
    type Error = Error;

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        // An offer proves nothing and is told nothing: whose key it is, is looked at when it has signed.
        let accepted = algorithms::is_accepted(offer.algorithm);
        Ok(if accepted { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        _key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        // No agent is known by a key alone. A client shows whatever keys it has before its certificate: the gate, which counts
        // and records what it refuses, hears nothing of them.
        Ok(Auth::reject())
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Error> {
        let certificate = certificate.to_bytes()?;
        let proof = Proof::SshCertificate { certificate, user: user.to_owned() };
        Ok(self.prove(proof, user).await)
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        Ok(self.prove(Proof::Token(Secret::new(password)), user).await)
    }

    async fn auth_succeeded(&mut self, library: &mut Library) -> Result<(), Error> {
        let Stage::Identified(logged_in) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return library.disconnect(Disconnect::ByApplication, "nobody is identified", "");
        };
        match self.open(*logged_in, library.handle()).await {
            Ok(session) => {
                if let Err(TooLate) = self.entrance.let_in(&session) {
                    session.over().await;
                    return library.disconnect(Disconnect::ByApplication, "too late", "");
                }
                self.stage = Stage::Open(session, HashMap::new());
                Ok(())
            }
            Err(refusal) => {
                tracing::info!(source.address = %self.source.address, %refusal, "an agent was not let in");
                library.disconnect(Disconnect::ByApplication, &error::last_word(&refusal), "")
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _library: &mut Library,
    ) -> Result<(), Error> {
        match &mut self.stage {
            Stage::Open(_, channels) if channels.len() < MAX_CHANNELS => {
                let id = channel.id();
                let fresh = Box::new(Fresh::of(channel, Arc::clone(&self.flow)));
                channels.insert(id, ChannelState::Fresh(fresh));
                reply.accept().await;
            }
            Stage::Open(..) | Stage::Unidentified | Stage::Identified(_) | Stage::Over => {
                reply.reject(ChannelOpenFailure::ResourceShortage).await;
            }
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Library) -> Result<(), Error> {
        if let Stage::Open(_, channels) = &mut self.stage {
            channels.remove(&channel);
        }
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        library: &mut Library,
    ) -> Result<(), Error> {
        self.flow.received(data.len());
        self.early(channel, library)
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _code: u32,
        data: &[u8],
        library: &mut Library,
    ) -> Result<(), Error> {
        self.flow.received(data.len());
        self.early(channel, library)
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.flow.window()
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        library: &mut Library,
    ) -> Result<(), Error> {
        let size = Size { columns, rows, width, height };
        match (self.fresh(channel), TerminalWish::new(term, size, modes)) {
            (Some(fresh), Some(wish)) if fresh.terminal.is_none() => {
                fresh.terminal = Some(wish);
                fresh.input.is_typed();
                library.channel_success(channel)
            }
            (Some(_) | None, Some(_) | None) => library.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        library: &mut Library,
    ) -> Result<(), Error> {
        // `LD_PRELOAD`, `BASH_ENV`, `GIT_SSH_COMMAND`: a variable can be a program.
        library.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        library: &mut Library,
    ) -> Result<(), Error> {
        library.channel_failure(channel)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Library) -> Result<bool, Error> {
        Ok(false)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        library: &mut Library,
    ) -> Result<(), Error> {
        self.run(channel, Program::Exec(command.into()), library)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        library: &mut Library,
    ) -> Result<(), Error> {
        self.run(channel, Program::Shell, library)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        library: &mut Library,
    ) -> Result<(), Error> {
        // A terminal would change the bytes of packets.
        let plain = self.fresh(channel).is_some_and(|fresh| fresh.terminal.is_none());
        if name == SFTP && plain {
            self.run(channel, Program::Sftp, library)
        } else {
            library.channel_failure(channel)
        }
    }
}
