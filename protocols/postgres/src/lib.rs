//! Placeholder.

pub mod classify;
