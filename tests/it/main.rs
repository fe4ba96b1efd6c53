//! The integration tests, one binary with a module per theme, so that they are linked once.
//!
//! `tidy` looks at the tree and needs nothing running. Every other module starts its own PostgreSQL and its own cluster of
//! real node processes through `countersign_tests`; nothing here reaches into a node's memory.

#[cfg(test)]
mod tidy;
