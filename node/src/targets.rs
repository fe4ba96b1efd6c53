//! Targets as the adapters use them, from the resources in force. Secrets stay references: the adapter resolves them when
//! it dials.

mod kubernetes;
mod ssh;

use arc_swap::ArcSwap;
use countersign_api::resource::{
    AddressError, BindingMode, CertificateReferences, PostgresAddress,
    PostgresTarget as Definition, RecordRows, TargetSpec, TlsMode,
};
use countersign_core::{
    id::Revision,
    target::{TargetName, TargetNameError},
};
use countersign_edge::{Keepalive, SecretError, SecretReference};
use countersign_kubernetes::{KubernetesTarget, PrefixError};
use countersign_postgres::{
    ChannelBinding, ClientCertificate, PostgresTarget, RecordedRows, TargetAddress, TargetRole,
    TargetTls,
};
use countersign_raft_store::{
    handle::{ReadError, StateView},
    records::{ResourceKind, ResourceRecord},
};
use countersign_ssh::{HostKeyError, SshTarget};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The targets of a revision of the resources.
pub type Defined = BTreeMap<TargetName, (Revision, Usable)>;

/// A target as its adapter uses it.
#[derive(Debug, Clone)]
pub enum Usable {
    /// A PostgreSQL server.
    Postgres(Arc<PostgresTarget>),
    /// An SSH server.
    Ssh(Arc<SshTarget>),
    /// A Kubernetes API server.
    Kubernetes(Arc<KubernetesTarget>),
}

/// The targets in force, as this node knows them.
#[derive(Debug, Default)]
pub struct TargetTable {
    defined: ArcSwap<Defined>,
    keepalive: Keepalive,
}

/// A definition that cannot be used. It was checked when it was applied: another version of the program did that.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("its name is none")]
    Name(#[from] TargetNameError),
    #[error("its body is not readable")]
    Body(#[from] serde_json::Error),
    #[error("its address is none")]
    Address(#[from] AddressError),
    #[error("a password, key or certificate is no reference")]
    Secret(#[from] SecretError),
    #[error("verify-full over TCP needs tls.ca_file")]
    NoAuthority,
    #[error("a host key of an SSH target cannot be read")]
    HostKey(#[from] HostKeyError),
    #[error("a Kubernetes target has a token or a certificate")]
    Credential,
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

impl TargetTable {
    /// None yet; all of them are asked like this whether they are there.
    pub fn new(keepalive: Keepalive) -> Self {
        Self { defined: ArcSwap::default(), keepalive }
    }

    /// The targets of `view`. One that cannot be used is left out, and the log says why.
    pub fn read(&self, view: &StateView) -> Result<Defined, ReadError> {
        let mut defined = Defined::new();
        for resource in view.resources(ResourceKind::Target)? {
            match target(&resource, self.keepalive) {
                Ok((name, target)) => {
                    defined.insert(name, (resource.revision, target));
                }
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    target.name = %resource.name,
                    "a target cannot be used"
                ),
            }
        }
        Ok(defined)
    }

    /// Uses exactly these targets from now on.
    pub fn replace(&self, defined: Defined) {
        self.defined.store(Arc::new(defined));
    }
}

impl countersign_postgres::Targets for TargetTable {
    fn postgres(&self, name: &TargetName) -> Option<(Revision, Arc<PostgresTarget>)> {
        match self.defined.load().get(name)? {
            (revision, Usable::Postgres(target)) => Some((*revision, Arc::clone(target))),
            (_, Usable::Ssh(_) | Usable::Kubernetes(_)) => None,
        }
    }
}

impl countersign_ssh::Targets for TargetTable {
    fn ssh(&self, name: &TargetName) -> Option<(Revision, Arc<SshTarget>)> {
        match self.defined.load().get(name)? {
            (revision, Usable::Ssh(target)) => Some((*revision, Arc::clone(target))),
            (_, Usable::Postgres(_) | Usable::Kubernetes(_)) => None,
        }
    }
}

impl countersign_kubernetes::Targets for TargetTable {
    fn kubernetes(&self, name: &TargetName) -> Option<(Revision, Arc<KubernetesTarget>)> {
        match self.defined.load().get(name)? {
            (revision, Usable::Kubernetes(target)) => Some((*revision, Arc::clone(target))),
            (_, Usable::Postgres(_) | Usable::Ssh(_)) => None,
        }
    }
}

fn target(
    resource: &ResourceRecord,
    keepalive: Keepalive,
) -> Result<(TargetName, Usable), Unusable> {
    let name = TargetName::parse(&resource.name)?;
    let usable = match serde_json::from_str(&resource.body)? {
        TargetSpec::Postgres(definition) => {
            Usable::Postgres(Arc::new(postgres(name.clone(), definition, keepalive)?))
        }
        TargetSpec::Ssh(definition) => {
            Usable::Ssh(Arc::new(ssh::target(name.clone(), definition, keepalive)?))
        }
        TargetSpec::Kubernetes(definition) => {
            Usable::Kubernetes(Arc::new(kubernetes::target(name.clone(), definition, keepalive)?))
        }
    };
    Ok((name, usable))
}

fn postgres(
    name: TargetName,
    definition: Definition,
    keepalive: Keepalive,
) -> Result<PostgresTarget, Unusable> {
    let (address, tls) = (address(&definition)?, tls(&definition)?);
    let Definition {
        databases,
        search_path,
        roles,
        allow_functions,
        read_limit_seconds,
        record_rows,
        ..
    } = definition;
    let record_rows = match record_rows {
        RecordRows::None => RecordedRows::None,
        RecordRows::Masked => RecordedRows::Masked,
    };
    let read_limit = read_limit_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let roles = roles
        .into_iter()
        .map(|(name, role)| {
            let password = role.password.as_deref().map(SecretReference::parse).transpose()?;
            let certificate = role.certificate.as_ref().map(certificate).transpose()?;
            let role = TargetRole {
                user: role.user,
                password,
                certificate,
                reader: role.reader,
                is_default: role.default,
            };
            Ok((name, role))
        })
        .collect::<Result<_, SecretError>>()?;
    Ok(PostgresTarget {
        name,
        address,
        tls,
        databases,
        search_path,
        roles,
        read_limit,
        record_rows,
        allow_functions,
        keepalive,
    })
}

fn certificate(references: &CertificateReferences) -> Result<ClientCertificate, SecretError> {
    Ok(ClientCertificate {
        chain: SecretReference::parse(&references.cert)?,
        key: SecretReference::parse(&references.key)?,
    })
}

fn address(definition: &Definition) -> Result<TargetAddress, AddressError> {
    Ok(match definition.address()? {
        PostgresAddress::Tcp { host, port } => TargetAddress::Tcp { host, port },
        PostgresAddress::Unix { directory, port } => TargetAddress::Unix { directory, port },
    })
}

fn tls(definition: &Definition) -> Result<TargetTls, Unusable> {
    match definition.tls.mode {
        TlsMode::Disable => Ok(TargetTls::Disabled),
        TlsMode::VerifyFull => Ok(TargetTls::VerifyFull {
            ca_file: definition.tls.ca_file.clone().ok_or(Unusable::NoAuthority)?,
            server_name: definition.tls.server_name.clone(),
            channel_binding: match definition.tls.channel_binding {
                BindingMode::Prefer => ChannelBinding::Preferred,
                BindingMode::Require => ChannelBinding::Required,
            },
        }),
    }
}
