//! Whose data directory this is. Written once, when the directory is made, and compared at every start, so that a node
//! never runs on the log of another one, and a directory that was lost is noticed by the peers: it comes back with
//! another [`StorageId`] than the membership names, and they refuse each other.

use std::fs;
use std::io;
use std::path::Path;

use crate::durable_file;
use crate::encoding::{Encoded, EncodingError};
use crate::raft_types::{NodeId, StorageId};

const FILE: &str = "identity";

/// What is written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) storage: StorageId,
}

/// Why a directory is not taken.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The directory could not be read or written.
    #[error("the identity file cannot be used")]
    Io(#[from] io::Error),
    /// The file is not what was written.
    #[error("the identity file is damaged: {0}")]
    Damaged(String),
    /// The directory belongs to another node or another cluster.
    #[error(
        "the data directory belongs to node {node} of cluster {cluster}, not to the configured node"
    )]
    AnotherNode {
        /// The node that wrote it.
        node: NodeId,
        /// The cluster of that node.
        cluster: String,
    },
    /// There is data, but nothing says whose.
    #[error("the data directory holds data without an identity file")]
    Missing,
}

impl Identity {
    /// The identity of `folder`, if it has one and it is this node's.
    pub(crate) fn find(
        folder: &Path,
        cluster: &str,
        node: NodeId,
    ) -> Result<Option<Self>, IdentityError> {
        let bytes = match fs::read(folder.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match fs::read_dir(folder)?.next() {
                    None => Ok(None),
                    Some(_) => Err(IdentityError::Missing),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let found = Self::decode(&bytes).map_err(damaged)?;
        if found.node == node && found.cluster == cluster {
            Ok(Some(found))
        } else {
            Err(IdentityError::AnotherNode { node: found.node, cluster: found.cluster })
        }
    }

    /// Gives a new folder its identity. It is the last thing a new folder gets: with it, everything else must be there.
    pub(crate) fn create(
        folder: &Path,
        cluster: &str,
        (node, storage): (NodeId, StorageId),
    ) -> Result<Self, IdentityError> {
        let fresh = Self { cluster: cluster.to_owned(), node, storage };
        durable_file::write(&folder.join(FILE), &fresh.encode().map_err(damaged)?)?;
        Ok(fresh)
    }
}

fn damaged(error: EncodingError) -> IdentityError {
    IdentityError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Identity, IdentityError, StorageId};

    #[test]
    fn a_folder_keeps_its_identity() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Identity::find(folder.path(), "blue", 3).unwrap(), None);
        let first = Identity::create(folder.path(), "blue", (3, StorageId::draw())).unwrap();
        assert_eq!(Identity::find(folder.path(), "blue", 3).unwrap(), Some(first));
    }

    #[test]
    fn the_folder_of_another_node_or_cluster_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Identity::create(folder.path(), "blue", (3, StorageId::draw())).unwrap();
        for (cluster, node) in [("blue", 4), ("green", 3)] {
            let refused = Identity::find(folder.path(), cluster, node).unwrap_err();
            assert!(matches!(refused, IdentityError::AnotherNode { node: 3, .. }), "{refused}");
        }
    }

    #[test]
    fn data_without_an_identity_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let refused = Identity::find(folder.path(), "blue", 3).unwrap_err();
        assert!(matches!(refused, IdentityError::Missing), "{refused}");
    }

    #[test]
    fn a_damaged_identity_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("identity"), b"\x01nonsense").unwrap();
        let refused = Identity::find(folder.path(), "blue", 3).unwrap_err();
        assert!(matches!(refused, IdentityError::Damaged(_)), "{refused}");
    }
}
