//! What operations have in common that one grant covers: SHA-256 over a canonical, length-prefixed encoding of the protocol,
//! the job that the agent is, every session setting that changes meaning, the shape of the operation, and everything that it asks for.
//!
//! The shape is the adapter's: the operation without its values. Where a value decides what is done, an adapter gives none.

use crate::{
    agent::Workload,
    operation::{Demand, Resource},
    target::Protocol,
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fmt};

/// The name of the encoding, hashed first.
const DOMAIN: &[u8] = b"countersign-template-v1";

/// The digest of what a grant covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template([u8; 32]);

/// What a template is made of.
#[derive(Clone, Copy, Debug)]
pub struct Templated<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The job that the agent is.
    pub workload: &'a Workload,
    /// Session settings that change meaning, in the adapter's fixed order.
    pub settings: &'a [(String, String)],
    /// The operation without its values.
    pub shape: &'a str,
    /// Every action and resource.
    pub demands: &'a BTreeSet<Demand>,
}

impl Template {
    /// The template of an operation.
    pub fn of(parts: Templated<'_>) -> Self {
        let mut hash = Encoding(Sha256::new());
        hash.bytes(DOMAIN);
        hash.bytes(parts.protocol.name().as_bytes());
        for (_name, said) in parts.workload.parts() {
            hash.bytes(said.as_bytes());
        }
        hash.number(parts.settings.len());
        for (name, value) in parts.settings {
            hash.bytes(name.as_bytes());
            hash.bytes(value.as_bytes());
        }
        hash.bytes(parts.shape.as_bytes());
        hash.number(parts.demands.len());
        for Demand { action, resource } in parts.demands {
            hash.bytes(action.name().as_bytes());
            hash.resource(resource);
        }
        Self(hash.0.finalize().into())
    }

    /// A digest that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

struct Encoding(Sha256);

impl Encoding {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn resource(&mut self, resource: &Resource) {
        let parts: &[&str] = match resource {
            Resource::Target => &["target"],
            Resource::Relation { schema, name } => &["relation", schema, name],
            Resource::Path { path } => &["path", path],
            Resource::Program { name } => &["program", name],
            Resource::ApiObject { namespace, group, version, resource, name, subresource } => {
                &["api_object", namespace, group, version, resource, name, subresource]
            }
            Resource::Url { path } => &["url", path],
        };
        self.number(parts.len());
        for part in parts {
            self.bytes(part.as_bytes());
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
