//! How checkpoints and keys stand in audit events: the names of their facts, written and read in one place.

use super::{
    AuditEvent, ChainHead,
    keys::{Endorsement, KeyIntroduction},
    signed::{Claim, Signed, Statement},
};
use crate::log_time::LogTime;
use std::{collections::BTreeMap, str::FromStr};

const CLUSTER: &str = "cluster.id";
const KEY: &str = "audit.key";
const SIGNATURE: &str = "audit.signature";
const NUMBER: &str = "audit.key_number";
const BEFORE: &str = "audit.previous_key";
const ENDORSEMENT: &str = "audit.endorsement";
const SEQUENCE: &str = "checkpoint.sequence";
const HASH: &str = "checkpoint.hash";
const AT: &str = "checkpoint.at_ms";

/// A fact that is missing, or is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is missing or cannot be read")]
pub struct FactError {
    /// Its name.
    pub name: &'static str,
}

/// The facts of a checkpoint's event.
pub fn of_checkpoint(signed: &Signed) -> BTreeMap<String, String> {
    let Statement { claim: _, cluster, head, at } = signed.statement;
    written([
        (CLUSTER, cluster.to_string()),
        (SEQUENCE, head.sequence.to_string()),
        (HASH, head.hash.to_string()),
        (AT, at.0.to_string()),
        (KEY, signed.key.to_string()),
        (SIGNATURE, signed.signature.to_string()),
    ])
}

/// The checkpoint of an event, not yet verified.
pub fn checkpoint(event: &AuditEvent) -> Result<Signed, FactError> {
    let head = ChainHead { sequence: read(event, SEQUENCE)?, hash: read(event, HASH)? };
    let statement = Statement {
        claim: Claim::Checkpoint,
        cluster: read(event, CLUSTER)?,
        head,
        at: LogTime(read(event, AT)?),
    };
    Ok(Signed { statement, key: read(event, KEY)?, signature: read(event, SIGNATURE)? })
}

/// The facts of a key's event.
pub fn of_introduction(next: &KeyIntroduction) -> BTreeMap<String, String> {
    let mut facts = written([
        (CLUSTER, next.cluster.to_string()),
        (NUMBER, next.number.to_string()),
        (KEY, next.key.to_string()),
        (SIGNATURE, next.own.to_string()),
    ]);
    if let Some(Endorsement { by, signature }) = &next.endorsement {
        facts.extend(written([(BEFORE, by.to_string()), (ENDORSEMENT, signature.to_string())]));
    }
    facts
}

/// The key of an event, not yet verified.
pub fn introduction(event: &AuditEvent) -> Result<KeyIntroduction, FactError> {
    let endorsement = if event.fields.contains_key(BEFORE) {
        Some(Endorsement { by: read(event, BEFORE)?, signature: read(event, ENDORSEMENT)? })
    } else {
        None
    };
    Ok(KeyIntroduction {
        cluster: read(event, CLUSTER)?,
        number: read(event, NUMBER)?,
        key: read(event, KEY)?,
        endorsement,
        own: read(event, SIGNATURE)?,
    })
}

fn written<const N: usize>(facts: [(&str, String); N]) -> BTreeMap<String, String> {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read<T: FromStr>(event: &AuditEvent, name: &'static str) -> Result<T, FactError> {
    let text = event.fields.get(name).ok_or(FactError { name })?;
    text.parse().map_err(|_unreadable| FactError { name })
}
