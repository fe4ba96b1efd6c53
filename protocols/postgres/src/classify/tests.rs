//! The corpus of statements with what they demand, and what must hold for any statement.
//!
//! A corpus file holds cases: the text, which may take several lines, then a line `=> demands` with the demands of each
//! statement, statements parted by ` | `, then a line `-> effects` with what the text did at a real server
//! (`crate::tests::effects` sees to that; `varies` where it did not do the same each time). Lines with `#` in front of a case are remarks. ␋ ␌ ␍ ␉ ␀ stand for control
//! characters.

pub(crate) mod corpus;
mod grammar;
mod mutation;
mod policy;
mod shape;
