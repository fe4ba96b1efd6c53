//! The host key as the gateway shows it: the key in use first, then the one that is published for later, each with a
//! certificate of the host authority, which is made anew as often as it is asked for and kept nowhere.

use super::{SshKeyError, in_use, open};
use crate::cluster::ClusterKey;
use countersign_core::secret::Secret;
use countersign_raft_store::{
    handle::StateView,
    records::{NodeRecord, NodeState, SshRole},
};
use countersign_ssh::HostKey;
use ssh_key::{
    Certificate, LineEnding, PrivateKey,
    certificate::{Builder, CertType},
};
use std::{collections::BTreeSet, time::Duration};

/// How long a host certificate counts.
const LIFE: Duration = Duration::from_hours(24);
/// How far before now it counts: clocks differ.
const BACKDATED: Duration = Duration::from_mins(5);

/// The host keys of this moment; certificates are for the nodes' names, and for `more`. Without a name there is none.
pub(crate) fn host_keys(
    view: &StateView,
    key: &ClusterKey,
    more: &[String],
    now_ms: u64,
) -> Result<Vec<HostKey>, SshKeyError> {
    let cluster = view.cluster()?.ok_or(SshKeyError::Missing(SshRole::Host))?;
    let used = in_use(view, SshRole::Host, now_ms)?;
    let mut records = view.ssh_keys(SshRole::Host)?;
    records.retain(|record| record.number >= used.number);
    let authority = in_use(view, SshRole::HostAuthority, now_ms)?;
    let authority = open(&authority, key, &cluster.id)?;
    let names = names(&view.nodes()?, more);
    let made = records.iter().map(|record| {
        let host = open(record, key, &cluster.id)?;
        let certificate = (!names.is_empty())
            .then(|| certify(&authority, &host, &names, now_ms)?.to_openssh())
            .transpose()?;
        let key = Secret::new(host.to_openssh(LineEnding::LF)?.as_bytes());
        Ok(HostKey { key, certificate })
    });
    made.collect()
}

fn certify(
    authority: &PrivateKey,
    host: &PrivateKey,
    names: &BTreeSet<String>,
    now_ms: u64,
) -> Result<Certificate, ssh_key::Error> {
    let now = now_ms / 1000;
    let (after, before) = (now.saturating_sub(BACKDATED.as_secs()), now + LIFE.as_secs());
    let nonce: [u8; 32] = rand::random();
    let mut builder = Builder::new(nonce, host.public_key().key_data().clone(), after, before)?;
    builder.cert_type(CertType::Host)?.key_id("countersign")?;
    for name in names {
        builder.valid_principal(name.as_str())?;
    }
    builder.sign(authority)
}

/// The names under which agents reach the nodes.
fn names(nodes: &[NodeRecord], more: &[String]) -> BTreeSet<String> {
    let urls = nodes.iter().filter_map(|node| match &node.state {
        NodeState::Removed { .. } => None,
        NodeState::Started(start) => Some(start.api_url.as_str()),
        NodeState::Admitted => Some(node.facts.api_url.as_str()),
    });
    let hosts = urls.filter_map(|url| {
        let url = reqwest::Url::parse(url).ok()?;
        Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
    });
    hosts.chain(more.iter().cloned()).collect()
}
