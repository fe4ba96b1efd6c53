//! What the compiler and clippy cannot see about the tree: who may depend on whom, what a file may be called and must say,
//! and where the proofs of the gate may be minted.
//!
//! Function length, `unsafe`, `unwrap` and bare `allow` attributes are clippy's part; what is repeated here of it is what a
//! crate could switch off for itself.

mod crates;
mod folders;
mod minting;
mod sources;
mod tree;
