//! Soon: api.
