//! Tests of the pure state.
