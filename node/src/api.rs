//! The HTTP API.
//!
//! Agreed with [`crate::serve`]: `api::serve(app: Arc<App>, listener: TcpListener, tls: Arc<rustls::ServerConfig>)` serves
//! until [`Shutdown`](crate::shutdown::Shutdown) says to stop; it is up before the node belongs to a cluster
//! (`app.node()` is `None` until then).
