//! Version 1 of the stored forms.
use super::{FormatError, Stored};
use crate::records::*;
macro_rules! later { ($($t:ty),+ $(,)?) => { $(impl Stored for $t { const WHAT: &'static str = stringify!($t);
 fn encode(&self) -> Result<Vec<u8>, FormatError> { Err(FormatError::Unwritable{what: Self::WHAT, detail: String::new()}) }
 fn decode(_: &[u8]) -> Result<Self, FormatError> { Err(FormatError::Unwritable{what: Self::WHAT, detail: String::new()}) } })+ } }
later!(crate::command::Command, crate::reply::Reply, crate::effect::Effect, HoldRecord, HeldOperation, SessionRecord, NodeRecord, ClusterRecord, ResourceRecord, OperationRecord, RevocationRecord, JoinTokenRecord,
 countersign_core::record::AuditEvent, countersign_core::record::ChainHead);
