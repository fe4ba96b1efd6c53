//! Soon: bad_input.
