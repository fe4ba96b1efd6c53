//! Soon: audit_verify.
