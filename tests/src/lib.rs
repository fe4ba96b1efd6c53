//! What the integration tests stand on: a private PostgreSQL, a cluster of real node processes, and the clients of people
//! (psql, a driver, plain HTTP) that talk to it.
//!
//! Nothing here knows a node's inside: the clusters are started by `countersignctl dev`, the API is read as plain JSON, and
//! the truth is asked of the target directly. Everything that was started is stopped by its process id when its value is
//! dropped, and what a killed test run left behind is swept by the next one.

pub mod agent;
pub mod api;
pub mod api_server;
pub mod browser;
pub mod cluster;
pub mod environment;
pub mod folder;
pub mod identity;
pub mod kubectl;
pub mod node_log;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod psql;
pub mod raw_http;
pub mod ssh_host;
pub mod wait;
