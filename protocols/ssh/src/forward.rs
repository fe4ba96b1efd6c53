//! The only way to a target: a permit is consumed, under a lease that was looked at right then, and what the agent asked for
//! goes up as it was hashed.

use crate::{
    inflow::{Arrived, Inflow},
    state::TerminalWish,
    upstream::UpstreamError,
};
use countersign_core::{
    gate::Gate,
    operation::Operation,
    permit::{Permit, PermitError},
    refusal::{AgentFacing, Fault, Refusal},
};
use russh::{ChannelWriteHalf, client::Msg};
use std::time::Duration;
use tokio::time::timeout;

/// For the target's answer to a request that a program needs first.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Why nothing was forwarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("the node may not act")]
    Lease(Refusal),
    #[error("the permit is not for this operation")]
    Permit(#[from] PermitError),
    #[error("there is no connection to the target")]
    Upstream(#[from] UpstreamError),
    #[error("the connection to the target failed")]
    Lost(#[from] russh::Error),
    #[error("the target gives the program no terminal")]
    NoTerminal,
    #[error("the name of a subsystem is no text")]
    NoName,
    #[error("the request is not the one that was admitted")]
    OtherRequest,
}

impl AgentFacing for ForwardError {
    fn refusal(&self) -> Refusal {
        match self {
            Self::Lease(refusal) => refusal.clone(),
            Self::Permit(_) | Self::NoName | Self::OtherRequest => Refusal::Internal,
            Self::Upstream(error) => error.refusal(),
            Self::Lost(_) | Self::NoTerminal => Refusal::TargetUnavailable,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Lease(_) | Self::Permit(_) | Self::NoName | Self::OtherRequest => Fault::Internal,
            Self::Upstream(error) => error.fault(),
            Self::Lost(_) | Self::NoTerminal => Fault::Upstream,
        }
    }
}

/// Has the target give the program its terminal. Nothing runs in it yet.
pub(crate) async fn terminal(
    wish: &TerminalWish,
    target: &ChannelWriteHalf<Msg>,
    answers: &Inflow,
) -> Result<(), ForwardError> {
    let TerminalWish { name, size, modes } = wish;
    target.request_pty(true, name, size.columns, size.rows, size.width, size.height, modes).await?;
    match timeout(ANSWER_DEADLINE, answers.next()).await {
        Ok(Ok(Arrived::Success)) => Ok(()),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(ForwardError::NoTerminal),
    }
}

/// How a program begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    /// By a command line, which is the operation's text.
    Exec,
    /// As the login's shell, which needs no more said.
    Shell,
    /// As a subsystem, whose name is the operation's text.
    Subsystem,
}

/// Runs what the permit is for.
pub(crate) async fn begin(
    begin: Begin,
    permit: Permit,
    operation: &Operation,
    (gate, target): (&dyn Gate, &ChannelWriteHalf<Msg>),
) -> Result<(), ForwardError> {
    let leased = gate.lease().map_err(ForwardError::Lease)?;
    let forwardable = permit.open(operation, leased)?;
    let text = forwardable.operation().text();
    match begin {
        Begin::Exec => target.exec(true, text).await?,
        Begin::Shell => target.request_shell(true).await?,
        Begin::Subsystem => {
            let name = std::str::from_utf8(text).map_err(|_| ForwardError::NoName)?;
            target.request_subsystem(true, name).await?;
        }
    }
    Ok(())
}

/// Lets a request to a program that runs through: its packet may be sent, once. Nothing is waited for in between.
pub(crate) fn request(
    permit: Permit,
    operation: &Operation,
    gate: &dyn Gate,
    line: &[u8],
) -> Result<(), ForwardError> {
    let leased = gate.lease().map_err(ForwardError::Lease)?;
    let forwardable = permit.open(operation, leased)?;
    if forwardable.operation().text() == line { Ok(()) } else { Err(ForwardError::OtherRequest) }
}
