//! Metrics, on a listener of their own.
//!
//! Agreed with [`crate::serve`]: `metrics::install() -> Result<Handle, _>` once, then `metrics::serve(handle, listener, shutdown)`.
