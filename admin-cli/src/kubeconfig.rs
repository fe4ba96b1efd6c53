//! `kubeconfig`: a configuration for clients of Kubernetes that talk to a target through the gateway. It has no token in it:
//! clients get one from `credential kubernetes`, each time they run.

use crate::{
    cli::{ExecVersion, Global, KubeconfigOptions},
    connection::Source,
    failure::Failure,
    files,
    output::Terminal,
};
use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::target::TargetName;
use reqwest::Url;
use serde::Serialize;
use std::path::Path;

/// Where nodes listen for clients of Kubernetes, unless they are set to something else.
const DEFAULT_PORT: u16 = 7446;

/// As client-go reads it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    clusters: [Named<ClusterPart>; 1],
    users: [Named<UserPart>; 1],
    contexts: [Named<ContextPart>; 1],
    current_context: String,
}

#[derive(Serialize)]
struct Named<T> {
    name: String,
    #[serde(flatten)]
    part: T,
}

#[derive(Serialize)]
struct ClusterPart {
    cluster: Cluster,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
}

#[derive(Serialize)]
struct UserPart {
    user: User,
}

#[derive(Serialize)]
struct User {
    exec: Exec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exec {
    api_version: &'static str,
    command: String,
    args: Vec<String>,
    interactive_mode: &'static str,
    provide_cluster_info: bool,
}

#[derive(Serialize)]
struct ContextPart {
    context: Context,
}

#[derive(Serialize)]
struct Context {
    cluster: String,
    user: String,
}

/// Prints the configuration, as YAML unless JSON is asked for.
pub(crate) fn run(
    options: &KubeconfigOptions,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let target = TargetName::parse(&options.target);
    let target = target.map_err(|error| Failure::usage(error.to_string()))?;
    let source = Source::of(global)?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let program = program.to_str().context("this program's path is not UTF-8")?;
    let config = kubeconfig(options, &target, (program, &source))?;
    let yaml = serde_saphyr::to_string(&config).context("cannot write YAML")?;
    terminal.answer(&config, |_, _| yaml)
}

fn kubeconfig(
    options: &KubeconfigOptions,
    target: &TargetName,
    (program, source): (&str, &Source),
) -> Result<Kubeconfig, Failure> {
    let gateway = match &options.gateway {
        Some(gateway) => gateway.clone(),
        None => beside(source.servers.first().map(String::as_str).unwrap_or_default())?,
    };
    let server = format!("https://{gateway}/k8s/{target}");
    let read = Url::parse(&server).ok().filter(|url| url.path() == format!("/k8s/{target}"));
    read.ok_or_else(|| Failure::usage(format!("`{gateway}` is not HOST:PORT")))?;
    let authority = source.ca_file.as_deref().map(files::read_text).transpose()?;
    let name = format!("countersign-{target}");
    let mut args = vec!["credential".to_owned(), "kubernetes".to_owned(), target.to_string()];
    args.extend(source.options()?);
    let exec = Exec {
        api_version: match options.exec_api {
            ExecVersion::V1 => "client.authentication.k8s.io/v1",
            ExecVersion::V1beta1 => "client.authentication.k8s.io/v1beta1",
        },
        command: program.to_owned(),
        args,
        interactive_mode: "Never",
        provide_cluster_info: true,
    };
    let cluster =
        Cluster { server, certificate_authority_data: authority.map(|pem| STANDARD.encode(pem)) };
    let context = Context { cluster: name.clone(), user: name.clone() };
    Ok(Kubeconfig {
        api_version: "v1",
        kind: "Config",
        clusters: [Named { name: name.clone(), part: ClusterPart { cluster } }],
        users: [Named { name: name.clone(), part: UserPart { user: User { exec } } }],
        contexts: [Named { name: name.clone(), part: ContextPart { context } }],
        current_context: name,
    })
}

/// The listener for Kubernetes on the host of an API URL.
fn beside(server: &str) -> Result<String, Failure> {
    let url = Url::parse(server).ok();
    let host = url.as_ref().and_then(Url::host_str).ok_or_else(|| {
        Failure::usage(format!("`{server}` is no URL of a node")).hint("say --gateway HOST:PORT")
    })?;
    Ok(format!("{host}:{DEFAULT_PORT}"))
}

impl Source {
    /// The options by which the plug-in comes to the same servers: a context, or servers and their authority; and the file of
    /// the token, where one is named. The token itself is never among them.
    fn options(&self) -> Result<Vec<String>, Failure> {
        let mut options = Vec::new();
        if let Some(context) = &self.context {
            options.extend(["--context".to_owned(), context.clone()]);
        } else {
            for server in &self.servers {
                options.extend(["--server".to_owned(), server.clone()]);
            }
            if let Some(file) = &self.ca_file {
                options.extend(["--ca-file".to_owned(), absolute(file)?]);
            }
        }
        if let Some(file) = &self.token_file {
            options.extend(["--token-file".to_owned(), absolute(file)?]);
        }
        Ok(options)
    }
}

fn absolute(file: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(file).context("there is no working directory")?;
    let path = path.to_str().context("the path of a file is not UTF-8")?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(gateway: Option<&str>, source: &Source) -> Result<String, String> {
        let options = KubeconfigOptions {
            target: "shop".to_owned(),
            gateway: gateway.map(str::to_owned),
            exec_api: ExecVersion::V1,
        };
        let target = TargetName::parse("shop").unwrap();
        let config = kubeconfig(&options, &target, ("/usr/bin/countersignctl", source));
        let config = config.map_err(|failure| failure.to_string())?;
        Ok(serde_saphyr::to_string(&config).unwrap())
    }

    fn source() -> Source {
        Source {
            context: None,
            servers: vec!["https://gate.example:7443".to_owned()],
            ca_file: None,
            token_file: Some("/run/token".into()),
        }
    }

    #[test]
    fn clients_run_the_plug_in_for_a_token_and_find_none_in_the_file() {
        insta::assert_snapshot!(made(None, &source()).unwrap(), @r"
        apiVersion: v1
        kind: Config
        clusters:
        - name: countersign-shop
          cluster:
            server: https://gate.example:7446/k8s/shop
        users:
        - name: countersign-shop
          user:
            exec:
              apiVersion: client.authentication.k8s.io/v1
              command: /usr/bin/countersignctl
              args:
              - credential
              - kubernetes
              - shop
              - --server
              - https://gate.example:7443
              - --token-file
              - /run/token
              interactiveMode: Never
              provideClusterInfo: true
        contexts:
        - name: countersign-shop
          context:
            cluster: countersign-shop
            user: countersign-shop
        current-context: countersign-shop
        ");
    }

    #[test]
    fn a_context_says_where_the_servers_are() {
        let source = Source { context: Some("prod".to_owned()), token_file: None, ..source() };
        let made = made(Some("[::1]:7446"), &source).unwrap();
        assert!(made.contains("https://[::1]:7446/k8s/shop"), "{made}");
        assert!(made.contains("--context") && !made.contains("--server"), "{made}");
    }

    #[test]
    fn what_is_no_address_makes_no_configuration() {
        for gateway in ["", "host:port", "a/b", "host:1/k8s", "host?x", "user@", "a b"] {
            assert!(made(Some(gateway), &source()).is_err(), "{gateway}");
        }
    }
}
