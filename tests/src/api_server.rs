//! A private Kubernetes API server with its etcd, both real, on free ports of the loopback: who may do what by its own RBAC,
//! and an audit log of everything that it was asked.
//!
//! There is no controller and no kubelet behind it: objects are kept and nothing comes of them. deploy/kube-apiserver.sh
//! builds the server.

use crate::{
    api::Api,
    folder::Folder,
    postgres::free_port,
    process, programs,
    wait::{self, Look},
};
use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Debian's.
const ETCD: &str = "/usr/bin/etcd";
/// How long the server may take to start: a few seconds, and more beside others.
const STARTS_WITHIN: Duration = Duration::from_mins(2);
/// Everything that is asked is in the audit once, when it is answered, with what it was about.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n\
                            omitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n";

/// Who the server knows, by a token each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// May do what anybody may who is known: ask what there is.
    Stranger,
}

impl User {
    const ALL: [Self; 2] = [Self::Admin, Self::Stranger];

    /// The name in the server's audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Stranger => "stranger",
        }
    }

    const fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Stranger => "strangers",
        }
    }
}

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct ApiServer {
    home: PathBuf,
    port: u16,
    secret: String,
    // In this order they are stopped.
    _server: Stopped,
    _etcd: Stopped,
}

/// A process that is killed when its value goes.
#[derive(Debug)]
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        process::signal(self.0.id(), Signal::KILL);
        drop(self.0.wait());
    }
}

impl ApiServer {
    /// Starts etcd and the server, and waits until it is ready.
    pub async fn start(folder: &Folder) -> anyhow::Result<Self> {
        let home = folder.path().join("kube");
        fs::create_dir(&home)?;
        let secret = format!("{:032x}", rand::random::<u128>());
        let known = User::ALL.map(|user| {
            let (name, groups) = (user.name(), user.groups());
            format!("{name}-{secret},{name},{name},\"{groups}\"\n")
        });
        fs::write(home.join("tokens"), known.concat())?;
        fs::write(home.join("audit-policy"), AUDIT_POLICY)?;
        let keys = home.join("accounts.key");
        let mut made = Command::new("openssl");
        made.args(["genrsa", "-out"]).arg(&keys).arg("2048").stderr(Stdio::null());
        ensure!(made.status().context("openssl")?.success(), "openssl makes no key");
        let (etcd, store) = start_etcd(&home)?;
        let (port, server) = start_server(&home, &store)?;
        let server = Self { home, port, secret, _server: server, _etcd: etcd };
        server.until_ready().await?;
        Ok(server)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The token that identifies a user.
    pub fn token(&self, user: User) -> String {
        format!("{}-{}", user.name(), self.secret)
    }

    /// The authority of its certificate, which it makes when it starts.
    pub fn ca_file(&self) -> PathBuf {
        self.home.join("ca.crt")
    }

    /// A kubeconfig of a user's.
    pub fn kubeconfig(&self, user: User) -> anyhow::Result<PathBuf> {
        let file = self.home.join(format!("{}.kubeconfig", user.name()));
        let (url, token, authority) = (self.url(), self.token(user), self.ca_file());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": {"server": url, "certificate-authority": authority}}],
            "users": [{"name": "it", "user": {"token": token}}],
        });
        fs::write(&file, config.to_string())?;
        Ok(file)
    }

    /// The server itself, past the gateway, as a user of it.
    pub fn direct(&self, user: User) -> anyhow::Result<Api> {
        let authority = self.ca_file();
        let authority = authority.to_str().context("not UTF-8")?;
        Api::new(&self.url(), authority, &self.token(user))
    }

    /// What it was asked so far, as its audit says, one event a request.
    pub fn audited(&self) -> anyhow::Result<Vec<Value>> {
        let log = fs::read_to_string(self.home.join("audit.log")).unwrap_or_default();
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        let made = self.home.join("certificates/apiserver.crt");
        let log = self.home.join("server.log");
        wait::until("the API server to be ready", STARTS_WITHIN, async || {
            let Ok(chain) = fs::read_to_string(&made) else {
                return Ok(Look::NotYet(last_line(&log)));
            };
            // The server's own certificate, then its authority's.
            let begin = "-----BEGIN CERTIFICATE-----";
            let (_, authority) = chain.rsplit_once(begin).context("no certificate")?;
            fs::write(self.ca_file(), format!("{begin}{authority}"))?;
            let answer = self.direct(User::Admin)?.get("/readyz").await?;
            Ok(Look::some(answer.status.is_success().then_some(()), answer.to_string()))
        })
        .await
    }
}

fn last_line(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.lines().last().unwrap_or("nothing yet").to_owned()
}

fn start_etcd(home: &Path) -> anyhow::Result<(Stopped, String)> {
    let address = |port| format!("http://127.0.0.1:{port}");
    let (clients, peers) = (address(free_port()?), address(free_port()?));
    let mut etcd = Command::new(ETCD);
    etcd.arg("--data-dir").arg(home.join("etcd")).args(["--name", "one", "--unsafe-no-fsync"]);
    etcd.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    etcd.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    etcd.args(["--initial-cluster", &format!("one={peers}"), "--logger", "zap"]);
    Ok((spawn(etcd, &home.join("etcd.log"))?, clients))
}

fn start_server(home: &Path, store: &str) -> anyhow::Result<(u16, Stopped)> {
    let port = free_port()?;
    let mut server = Command::new(programs::api_server()?);
    for (option, file) in [
        ("token-auth-file", "tokens"),
        ("audit-policy-file", "audit-policy"),
        ("audit-log-path", "audit.log"),
        ("cert-dir", "certificates"),
        ("service-account-key-file", "accounts.key"),
        ("service-account-signing-key-file", "accounts.key"),
    ] {
        server.arg(format!("--{option}={}", home.join(file).display()));
    }
    for (option, value) in [
        ("etcd-servers", store),
        ("bind-address", "127.0.0.1"),
        ("advertise-address", "127.0.0.1"),
        ("secure-port", &port.to_string()),
        ("authorization-mode", "RBAC"),
        ("anonymous-auth", "false"),
        ("service-account-issuer", "https://kubernetes.invalid"),
        ("service-cluster-ip-range", "10.0.0.0/24"),
        // Nobody makes the accounts that it would ask for.
        ("disable-admission-plugins", "ServiceAccount"),
        ("endpoint-reconciler-type", "none"),
    ] {
        server.arg(format!("--{option}={value}"));
    }
    Ok((port, spawn(server, &home.join("server.log"))?))
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Stopped> {
    let log = fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    Ok(Stopped(child))
}
