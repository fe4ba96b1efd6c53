//! Frozen bytes.
