//! The sample resources of a development cluster, as documents that are also left in its directory to look at and change.

use super::{
    directory::Directory,
    kubeconfig::{ApiServer, Proof},
    postgres_url::PostgresServer,
    ssh_host::SshHost,
    state::State,
};
use crate::files;
use serde_json::{Value, json};
use std::path::Path;

/// The name of the target.
pub(super) const TARGET: &str = "orders";
/// The name of the SSH target.
pub(super) const SSH_TARGET: &str = "web1";
/// The name of the Kubernetes target.
pub(super) const KUBERNETES_TARGET: &str = "kube1";

const PROVIDERS: &str = include_str!("sample/identity-providers.yaml");
const BINDINGS: &str = include_str!("sample/bindings.yaml");
const POLICY: &str = include_str!("sample/policy.yaml");
const TARGETS: &str = include_str!("sample/target.yaml");

const SSH: &str = include_str!("sample/ssh.yaml");
const KUBERNETES: &str = include_str!("sample/kubernetes.yaml");

/// What the cluster stands before.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) postgres: Option<PostgresServer>,
    pub(super) ssh: Option<SshHost>,
    pub(super) kubernetes: Option<ApiServer>,
}

/// Writes the documents: (file name, text).
pub(super) fn write(
    directory: &Directory,
    state: &State,
    targets: &Targets,
) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let issuer = json!(state.issuer.url());
    let ca_file = json!(directory.ca_file());
    let providers = filled(PROVIDERS, &[("ISSUER", &issuer), ("CA_FILE", &ca_file)]);
    let mut documents = vec![
        ("identity-providers.yaml", providers),
        ("bindings.yaml", BINDINGS.to_owned()),
        ("policy.yaml", POLICY.to_owned()),
    ];
    if let Some(server) = &targets.postgres {
        documents.push(("target.yaml", target(directory, server)?));
    }
    if let Some(SshHost { address, user, key, host_keys }) = &targets.ssh {
        let values = [
            ("ADDRESS", &json!(address)),
            ("HOST_KEYS", &json!(host_keys)),
            ("USER", &json!(user)),
            ("KEY", &json!(reference(key))),
        ];
        documents.push(("ssh.yaml", filled(SSH, &values)));
    }
    if let Some(server) = &targets.kubernetes {
        documents.push(("kubernetes.yaml", kubernetes(directory, server)?));
    }
    let written = documents.into_iter().map(|(name, text)| {
        let path = directory.resources().join(name);
        files::write_private(&path, text)?;
        Ok(path)
    });
    written.collect()
}

fn target(directory: &Directory, server: &PostgresServer) -> anyhow::Result<String> {
    let password = match &server.password {
        Some(password) => {
            let file = directory.target_password();
            files::write_private(&file, password)?;
            json!(reference(&file))
        }
        None => Value::Null,
    };
    let tls = match (&server.ca_file, server.local) {
        (Some(ca_file), _) => json!({"mode": "verify-full", "ca_file": ca_file}),
        (None, true) => json!({"mode": "disable"}),
        (None, false) => json!({"mode": "verify-full"}),
    };
    Ok(filled(
        TARGETS,
        &[
            ("ADDRESS", &json!(server.address)),
            ("TLS", &tls),
            ("DATABASE", &json!(server.database)),
            ("USER", &json!(server.user)),
            ("PASSWORD", &password),
        ],
    ))
}

/// What nodes need of it is copied to where they read it.
fn kubernetes(directory: &Directory, server: &ApiServer) -> anyhow::Result<String> {
    let kept = |name: &str, contents: &[u8]| {
        let file = directory.kubernetes().join(name);
        files::write_private(&file, contents)?;
        anyhow::Ok(file)
    };
    let ApiServer { address, server_name, authority, proof } = server;
    let (token, certificate) = match proof {
        Proof::Token(token) => (json!(reference(&kept("token", token.as_bytes())?)), Value::Null),
        Proof::Certificate { certificate, key } => {
            let cert = reference(&kept("client.crt", certificate)?);
            let key = reference(&kept("client.key", key)?);
            (Value::Null, json!({"cert": cert, "key": key}))
        }
    };
    let tls = json!({"ca_file": kept("ca.crt", authority)?, "server_name": server_name});
    let values = [
        ("ADDRESS", &json!(address)),
        ("TLS", &tls),
        ("TOKEN", &token),
        ("CERTIFICATE", &certificate),
    ];
    Ok(filled(KUBERNETES, &values))
}

fn reference(file: &Path) -> String {
    format!("file:{}", file.display())
}

/// The text with each `${NAME}` replaced by its value in JSON, which YAML reads as the same.
fn filled(text: &str, values: &[(&str, &Value)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), &value.to_string())
    })
}
