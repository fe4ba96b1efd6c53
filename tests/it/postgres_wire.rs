//! Soon: postgres_wire.
