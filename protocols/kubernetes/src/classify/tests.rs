//! Requests and what they are taken for: the corpus, and what holds for anything at all.

mod commands;
mod corpus;
mod properties;

use super::*;
use countersign_core::{operation::Action, target::Protocol};
