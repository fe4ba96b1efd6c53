//! `audit keys` and `audit rotate-key`: the keys that the cluster signs its audit chain with. They are worth noting where
//! the cluster cannot reach.

use crate::{
    failure::Failure,
    output::{self, Terminal},
};
use countersign_api::{
    Client,
    audit::{AuditKeys, ring},
};

/// Shows the keys.
pub(super) async fn show(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let keys = client.audit_keys().await?.body;
    answer(&keys, terminal)
}

/// Has a new key made.
pub(super) async fn rotate(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let keys = client.rotate_audit_key().await?.body;
    answer(&keys, terminal)
}

fn answer(keys: &AuditKeys, terminal: &mut Terminal) -> Result<(), Failure> {
    let cluster = keys.cluster_id.parse();
    let cluster = cluster.map_err(|_| Failure::failed("the cluster's id cannot be read"))?;
    ring(cluster, &keys.keys)
        .map_err(|error| Failure::failed(format!("the keys do not hold: {error}")))?;
    terminal.answer(keys, |keys, _| {
        let last = keys.keys.len() as u64;
        let rows = keys.keys.iter().map(|key| {
            let word = if key.number == last { "in force" } else { "replaced" };
            [key.number.to_string(), key.key.clone(), word.to_owned()]
        });
        output::table(["number", "key", ""], rows)
    })
}
