//! The only place where bytes of an agent's operation are made for the target. They are made from an operation whose
//! permit was just consumed under a lease that was just looked at, and from nothing else the agent sent that has a
//! meaning: text and values are the operation's own; names are the gateway's.

use crate::frame::{self, Bind};
use bytes::{Bytes, BytesMut};
use countersign_core::{
    gate::Gate,
    operation::Operation,
    permit::{Forwardable, Permit},
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
}

/// How a preparation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// It stands alone: with Sync.
    Sync,
    /// It stands inside a transaction or pipeline: with Flush.
    Flush,
}

/// Consumes the permit and returns the bytes it admits.
pub(crate) fn open(
    permit: Permit,
    operation: &Operation,
    gate: &dyn Gate,
    wire: &Wire<'_>,
) -> Result<Bytes, Refusal> {
    let lease = gate.lease()?;
    let forwardable = permit.open(operation, lease).map_err(|error| {
        tracing::error!(%error, "a permit did not fit its operation");
        Refusal::Internal
    })?;
    Ok(encode(&forwardable, wire))
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
        Wire::Execute { statement, portal, result_formats, describe, rows } => {
            parse(&mut out, statement);
            let parameters = &operation.classification().parameters;
            out.extend_from_slice(&frame::bind(Bind {
                portal,
                statement: statement.name(),
                parameters: parameters.iter().map(|one| (one.format, one.value.as_deref())),
                result_formats,
            }));
            if *describe == Describe::Asked {
                out.extend_from_slice(&frame::describe_portal(portal));
            }
            out.extend_from_slice(&frame::execute(portal, *rows));
            out.extend_from_slice(&frame::flush());
        }
        Wire::Prepare { statement, ending } => {
            parse(&mut out, statement);
            out.extend_from_slice(&frame::describe_statement(statement.name()));
            out.extend_from_slice(&match ending {
                Ending::Sync => frame::sync(),
                Ending::Flush => frame::flush(),
            });
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
