//! `credential kubernetes`: the exec credential plug-in that kubectl, helm and client libraries run for a token
//! (client.authentication.k8s.io). They keep the token for as long as they run; nothing is kept here.
//!
//! Standard output has the one document, whatever form of answers is asked for.

use crate::{connection::Reached, failure::Failure, output::Terminal, token};
use anyhow::Context as _;
use countersign_api::{time::Timestamp, token::KUBERNETES_TOKEN};
use countersign_core::target::TargetName;
use serde::{Deserialize, Serialize};
use std::env;

/// Where the client says which version it speaks, and to which server.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";
/// The versions that are spoken. They say the same; clients before 1.22 have the second only.
const VERSIONS: &[&str] =
    &["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const KIND: &str = "ExecCredential";

/// What the client says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo {
    api_version: String,
    kind: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    #[serde(default)]
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    server: String,
}

/// What it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'a str,
    kind: &'a str,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: String,
    expiration_timestamp: Timestamp,
}

/// Prints a credential for one target.
pub(super) async fn run(
    reached: &Reached,
    named: Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let info = env::var(EXEC_INFO).ok().filter(|text| !text.is_empty());
    let asked = Asked::read(info.as_deref(), named)?;
    let client = reached.client()?;
    let mut request = token::request(reached)?;
    request.requested_token_type = Some(KUBERNETES_TOKEN.to_owned());
    request.audience = Some(asked.target.to_string());
    let issued = client.exchange(&request).await?.body;
    let status = Status { token: issued.access_token, expiration_timestamp: issued.expires_at };
    let credential = ExecCredential { api_version: asked.version, kind: KIND, status };
    let document = serde_json::to_string(&credential).context("cannot write the credential")?;
    terminal.line(&document)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    version: &'static str,
    target: TargetName,
}

impl Asked {
    /// From what the client says, and from what the command line does. They must not say different things: a token for one
    /// target is not handed to a client of another.
    fn read(info: Option<&str>, named: Option<String>) -> Result<Self, Failure> {
        let info: Option<ExecInfo> =
            match info {
                Some(text) => Some(serde_json::from_str(text).map_err(|error| {
                    Failure::usage(format!("{EXEC_INFO} cannot be read: {error}"))
                })?),
                None => None,
            };
        let version = match &info {
            Some(info) => spoken(info)?,
            None => VERSIONS.first().copied().unwrap_or_default(),
        };
        let server = info.and_then(|info| info.spec.cluster).map(|cluster| cluster.server);
        let of_server = server.as_deref().and_then(target_of);
        let target = match (named, of_server) {
            (Some(named), Some(other)) if named != other => {
                let message = format!("the client talks to {other}, not to {named}");
                return Err(Failure::usage(message));
            }
            (Some(named), _) => named,
            (None, Some(other)) => other.to_owned(),
            (None, None) => {
                return Err(Failure::usage("no target is named").hint(
                    "name it, or set `provideClusterInfo` for the plug-in, as `countersignctl kubeconfig` does",
                ));
            }
        };
        let target =
            TargetName::parse(&target).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self { version, target })
    }
}

fn spoken(info: &ExecInfo) -> Result<&'static str, Failure> {
    let known = VERSIONS.iter().copied().find(|version| *version == info.api_version);
    known.filter(|_| info.kind == KIND).ok_or_else(|| {
        let message = format!("the client speaks {} {}", info.api_version, info.kind);
        Failure::usage(message)
            .hint(format!("this plug-in speaks {KIND} of {}", VERSIONS.join(" and ")))
    })
}

/// The target in `https://NODE:PORT/k8s/TARGET`.
fn target_of(server: &str) -> Option<&str> {
    let (_, target) = server.trim_end_matches('/').rsplit_once("/k8s/")?;
    Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(info: &str, named: Option<&str>) -> Result<(String, &'static str), String> {
        let info = Some(info).filter(|info| !info.is_empty());
        let asked = Asked::read(info, named.map(str::to_owned));
        let asked = asked.map_err(|failure| failure.to_string())?;
        Ok((asked.target.to_string(), asked.version))
    }

    fn info(version: &str, server: &str) -> String {
        format!(
            r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{version}",
            "spec":{{"interactive":true,"cluster":{{"server":"{server}","config":null}}}}}}"#
        )
    }

    #[test]
    fn the_target_is_named_by_the_client_or_on_the_command_line_and_by_both_alike() {
        let [v1, v1beta1] = [VERSIONS[0], VERSIONS[1]];
        let server = "https://gate.example:7446/k8s/shop";
        for (given, named, expected) in [
            (String::new(), Some("shop"), v1),
            (info("v1", server), None, v1),
            (info("v1", &format!("{server}/")), Some("shop"), v1),
            (info("v1beta1", server), None, v1beta1),
            // Behind a proxy of the client's own the path can be another.
            (info("v1", "https://127.0.0.1:8001"), Some("shop"), v1),
        ] {
            assert_eq!(asked(&given, named), Ok(("shop".to_owned(), expected)), "{given}");
        }
    }

    #[test]
    fn nothing_is_asked_for_that_is_not_plain() {
        let server = "https://gate.example:7446/k8s/shop";
        let other_kind = info("v1", server).replace("ExecCredential", "TokenReview");
        for (given, named, reason) in [
            (String::new(), None, "no target is named"),
            (info("v1", "https://gate.example"), None, "no target is named"),
            (info("v1", server), Some("orders"), "talks to shop, not to orders"),
            (info("v1", "https://gate.example/k8s/Shop"), None, "a target name has"),
            (info("v1", "https://gate.example/k8s/shop/api"), None, "a target name has"),
            (info("v2", server), None, "v2"),
            (info("v1alpha1", server), None, "v1alpha1"),
            (other_kind, None, "TokenReview"),
            ("no json".to_owned(), Some("shop"), "cannot be read"),
            ("{}".to_owned(), Some("shop"), "cannot be read"),
        ] {
            let refused = asked(&given, named).unwrap_err();
            assert!(refused.contains(reason), "{given}: {refused}");
        }
    }
}
