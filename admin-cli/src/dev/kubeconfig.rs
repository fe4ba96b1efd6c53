//! A kubeconfig, as far as a target needs it: the server of its current context, the authority of its certificate, and a token
//! or a certificate that is written in it or in files. What has to be run or asked for (`exec`, `auth-provider`) is refused.

use crate::{documents, failure::Failure, files};
use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The port that a server without one means.
const HTTPS_PORT: u16 = 443;

/// An API server and how to log in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiServer {
    /// As a Target writes it.
    pub(super) address: String,
    pub(super) server_name: Option<String>,
    /// The authority of its certificate (PEM).
    pub(super) authority: Vec<u8>,
    pub(super) proof: Proof,
}

/// What nodes log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Token(String),
    /// A certificate and its key (PEM).
    Certificate {
        certificate: Vec<u8>,
        key: Vec<u8>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    contexts: Vec<Named>,
    #[serde(default)]
    clusters: Vec<Named>,
    #[serde(default)]
    users: Vec<Named>,
}

/// An entry of a list: its name, and what is under its kind.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    context: Context,
    #[serde(default)]
    cluster: Cluster,
    #[serde(default)]
    user: User,
}

#[derive(Debug, Default, Deserialize)]
struct Context {
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(default)]
    server: String,
    tls_server_name: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
}

/// Reads a file.
pub(super) fn read(file: &Path) -> Result<ApiServer, Failure> {
    let text = files::read_text(file)?;
    let config: Config =
        serde_saphyr::from_str(&text).map_err(|error| documents::problem(file, &error))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    of(&config, folder)
}

fn wrong(why: &str) -> Failure {
    Failure::usage(format!("--kubeconfig: {why}"))
}

fn of(config: &Config, folder: &Path) -> Result<ApiServer, Failure> {
    let context = named(&config.contexts, &config.current_context)
        .ok_or_else(|| wrong("there is no current context"))?;
    let cluster = named(&config.clusters, &context.context.cluster)
        .ok_or_else(|| wrong("the current context has no cluster"))?;
    let user = named(&config.users, &context.context.user)
        .ok_or_else(|| wrong("the current context has no user"))?;
    let (cluster, user) = (&cluster.cluster, &user.user);
    let data = |data: &Option<String>, file: &Option<PathBuf>| {
        contents(data.as_deref(), file.as_deref(), folder)
    };
    let authority = data(&cluster.certificate_authority_data, &cluster.certificate_authority)?
        .ok_or_else(|| {
            wrong("the cluster names no certificate authority, and no server is believed unseen")
        })?;
    let certificate = data(&user.client_certificate_data, &user.client_certificate)?;
    let key = data(&user.client_key_data, &user.client_key)?;
    let token = match (&user.token, &user.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => Some(files::read_text(&folder.join(file))?.trim().to_owned()),
        (None, None) => None,
    };
    let proof = match (token, certificate, key) {
        (Some(token), ..) => Proof::Token(token),
        (None, Some(certificate), Some(key)) => Proof::Certificate { certificate, key },
        (None, ..) => {
            return Err(wrong("the user has neither a token nor a certificate with its key"));
        }
    };
    let address = address(&cluster.server)?;
    Ok(ApiServer { address, server_name: cluster.tls_server_name.clone(), authority, proof })
}

fn named<'a>(all: &'a [Named], name: &str) -> Option<&'a Named> {
    all.iter().find(|one| one.name == name)
}

fn contents(
    data: Option<&str>,
    file: Option<&Path>,
    folder: &Path,
) -> Result<Option<Vec<u8>>, Failure> {
    match (data, file) {
        (Some(data), _) => {
            let read = STANDARD.decode(data.trim());
            read.map(Some).map_err(|_| wrong("what should be base64 is not"))
        }
        (None, Some(file)) => {
            let file = folder.join(file);
            let read = fs::read(&file);
            Ok(Some(read.with_context(|| format!("cannot read {}", file.display()))?))
        }
        (None, None) => Ok(None),
    }
}

/// `https://HOST:PORT` as a Target writes it.
fn address(server: &str) -> Result<String, Failure> {
    let url = Url::parse(server).map_err(|error| wrong(&format!("the server: {error}")))?;
    let plain = url.scheme() == "https" && url.path() == "/" && url.query().is_none();
    let host = url.host_str().filter(|_| plain);
    let host = host.ok_or_else(|| wrong("the server is not https://HOST:PORT"))?;
    Ok(format!("{host}:{}", url.port().unwrap_or(HTTPS_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(text: &str) -> Result<ApiServer, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.crt"), "an authority").unwrap();
        fs::write(folder.path().join("token"), "a-token\n").unwrap();
        let file = folder.path().join("config");
        fs::write(&file, text).unwrap();
        read(&file).map_err(|failure| failure.to_string())
    }

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             contexts: [{{name: here, context: {{cluster: c, user: u, namespace: dev}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\n\
             users: [{{name: x, user: {{}}}}, {{name: u, user: {{{user}}}}}]\n"
        )
    }

    #[test]
    fn the_current_context_is_the_target() {
        let cluster = "server: 'https://[::1]:6443', certificate-authority: ca.crt";
        let server = read_of(&config(cluster, "tokenFile: token")).unwrap();
        assert_eq!(server.address, "[::1]:6443");
        assert_eq!(server.authority, b"an authority");
        assert_eq!(server.proof, Proof::Token("a-token".to_owned()));
        let cluster =
            "server: 'https://kube', certificate-authority-data: Y2E=, tls-server-name: k";
        let user = "client-certificate-data: Yw==, client-key-data: aw==";
        let server = read_of(&config(cluster, user)).unwrap();
        assert_eq!(
            (server.address.as_str(), server.server_name.as_deref()),
            ("kube:443", Some("k"))
        );
        let (certificate, key) = (b"c".to_vec(), b"k".to_vec());
        assert_eq!(server.proof, Proof::Certificate { certificate, key });
    }

    #[test]
    fn what_a_target_cannot_have_is_refused() {
        let good = "server: 'https://kube:6443', certificate-authority: ca.crt";
        let unseen = "server: 'https://kube:6443', insecure-skip-tls-verify: true";
        let plain = "server: 'http://kube:6443', certificate-authority: ca.crt";
        let below = "server: 'https://kube:6443/x', certificate-authority: ca.crt";
        for (cluster, user, why) in [
            (good, "", "neither a token nor a certificate"),
            (good, "exec: {command: login}", "neither a token nor a certificate"),
            (good, "client-certificate-data: Yw==", "neither a token nor a certificate"),
            (unseen, "token: x", "no certificate authority"),
            (plain, "token: x", "not https://HOST:PORT"),
            (below, "token: x", "not https://HOST:PORT"),
        ] {
            let told = read_of(&config(cluster, user)).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert!(read_of("kind: Config\n").unwrap_err().contains("no current context"));
    }
}
