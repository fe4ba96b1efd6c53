//! The policy matrix and the single rules of judging.
