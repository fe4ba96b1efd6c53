//! Belonging to a cluster: initialising one, joining one, coming back to one.
//!
//! Agreed with [`crate::serve`]: after the API listener is up, `cluster::start(&Arc<App>) -> Result<Member, ClusterError>`
//! opens the data directory of a member, or joins, or waits until `POST /v1/cluster/init` has made a cluster; its
//! `Member` is the node's id and the started `Arc<Store>`. `serve` then makes the gate and calls [`App::became`](crate::app::App::became).
