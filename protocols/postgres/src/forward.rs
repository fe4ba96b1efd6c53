//! The only place where bytes of an agent's operation are made for the target. They are made from an operation whose
//! permit was just consumed under a lease that was just looked at, and from nothing else the agent sent that has a
//! meaning: text and values are the operation's own; names are the gateway's.

use crate::frame::{self, Bind};
use bytes::{Bytes, BytesMut};
use countersign_core::{
    gate::Gate,
    operation::Operation,
    permit::{Forwardable, Leased, Permit},
    refusal::Refusal,
};

/// How an operation is put to the target.
#[derive(Debug)]
pub(crate) enum Wire<'a> {
    /// As a simple Query.
    Query,
    /// As a portal that is bound and executed.
    Execute {
        statement: ParseAt<'a>,
        portal: &'a str,
        result_formats: &'a [u16],
        describe: Describe,
        rows: i32,
        ending: Ending,
    },
    /// As a Parse and Describe of the statement: nothing is executed.
    Prepare { statement: ParseAt<'a>, ending: Ending },
}

/// A statement's name at the target, and whether it has to be parsed there first.
#[derive(Debug)]
pub(crate) enum ParseAt<'a> {
    Parsed(&'a str),
    Parse(&'a str, &'a [u32]),
}

/// Whether the agent asked for the portal's description in front of its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Describe {
    Asked,
    NotAsked,
    /// The gateway wants it, to mask the rows, and does not pass it on.
    Wanted,
}

/// How the messages of the extended protocol end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Nothing follows in their transaction: with Sync.
    Sync,
    /// They stand inside a transaction or pipeline that goes on: with Flush.
    Flush,
}

impl Ending {
    fn message(self) -> Bytes {
        match self {
            Self::Sync => frame::sync(),
            Self::Flush => frame::flush(),
        }
    }
}

/// Bytes that were admitted: the only ones of an agent's operation that the way to the target takes. Only this file makes
/// them, from proofs that are used up by it.
#[derive(Debug)]
#[must_use = "what was admitted and is dropped is not forwarded"]
pub(crate) struct Outgoing(Bytes);

impl Outgoing {
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Consumes the permit and returns the bytes it admits.
pub(crate) fn open(
    permit: Permit,
    operation: &Operation,
    gate: &dyn Gate,
    wire: &Wire<'_>,
) -> Result<Outgoing, Refusal> {
    let lease = gate.lease()?;
    let forwardable = permit.open(operation, lease).map_err(|error| {
        tracing::error!(%error, "a permit did not fit its operation");
        Refusal::Internal
    })?;
    Ok(Outgoing(encode(&forwardable, wire)))
}

/// The bytes that ask for further rows of a portal whose operation was admitted, under a lease that was just looked at.
pub(crate) fn further_rows(leased: Leased, portal: &str, rows: i32) -> Outgoing {
    // The proof is all there is to it: it is used up by what is written now.
    drop(leased);
    let mut out = BytesMut::from(frame::execute(portal, rows).as_ref());
    out.extend_from_slice(&frame::flush());
    Outgoing(out.freeze())
}

fn encode(forwardable: &Forwardable<'_>, wire: &Wire<'_>) -> Bytes {
    let operation = forwardable.operation();
    let mut out = BytesMut::new();
    let parse = |out: &mut BytesMut, statement: &ParseAt<'_>| {
        if let ParseAt::Parse(name, type_oids) = statement {
            out.extend_from_slice(&frame::parse(name, operation.text(), type_oids));
        }
    };
    match wire {
        Wire::Query => out.extend_from_slice(&frame::query(operation.text())),
        Wire::Execute { statement, portal, result_formats, describe, rows, ending } => {
            parse(&mut out, statement);
            let parameters = &operation.classification().parameters;
            out.extend_from_slice(&frame::bind(Bind {
                portal,
                statement: statement.name(),
                parameters: parameters.iter().map(|one| (one.format, one.value.as_deref())),
                result_formats,
            }));
            if matches!(describe, Describe::Asked | Describe::Wanted) {
                out.extend_from_slice(&frame::describe_portal(portal));
            }
            out.extend_from_slice(&frame::execute(portal, *rows));
            out.extend_from_slice(&ending.message());
        }
        Wire::Prepare { statement, ending } => {
            parse(&mut out, statement);
            out.extend_from_slice(&frame::describe_statement(statement.name()));
            out.extend_from_slice(&ending.message());
        }
    }
    out.freeze()
}

impl ParseAt<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Parsed(name) | Self::Parse(name, _) => name,
        }
    }
}
