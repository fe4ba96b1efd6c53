//! Soon: cli.
