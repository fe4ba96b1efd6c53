//! Going on from the disk of the node that is left.

use super::{Lone, RecoverError, blocking, order};
use crate::{
    cluster::{directory::Directory, error::ClusterError},
    config::Config,
};
use countersign_core::id::NodeId;
use countersign_raft_store::offline::{self, Owner};

/// Makes the stopped node of this configuration the only one of its cluster, if the order names it.
pub async fn recover(config: &Config, confirmed: Option<&str>) -> Result<String, RecoverError> {
    let directory = Directory::open(&config.data_dir).await?;
    let member = directory.member().await?.ok_or(RecoverError::NoMember)?;
    directory.has_log()?;
    let (folder, name, node) = (directory.engine(), member.cluster_name.clone(), member.node);
    let look = move || Ok(offline::reach(&folder, Owner { cluster: &name, node })?);
    let reach = blocking(look).await?;
    let source = format!(
        "the disk of node {node}, whose log ends at entry {} of term {}",
        reach.last, reach.term
    );
    if confirmed != Some(member.cluster_name.as_str()) {
        let cluster = member.cluster_name;
        return Err(RecoverError::NotConfirmed { found: format!("Found: {source}."), cluster });
    }
    let key = directory.cluster_key().await?;
    let mut cluster_id = [0; 16];
    hex::decode_to_slice(&member.cluster_id, &mut cluster_id)
        .map_err(|_| ClusterError::Damaged { path: config.data_dir.clone() })?;
    // What an earlier try has written is used again.
    if directory.order().await?.is_none() {
        let lone = Lone {
            cluster_id: &cluster_id,
            cluster_name: &member.cluster_name,
            node: NodeId(node),
            storage: reach.storage.0,
            key: &key,
        };
        order(&directory, lone, source.clone()).await?;
    }
    let (folder, name, address) = (directory.engine(), member.cluster_name, config.advertise());
    blocking(move || Ok(offline::stand_alone(&folder, Owner { cluster: &name, node }, address)?))
        .await?;
    Ok(source)
}
