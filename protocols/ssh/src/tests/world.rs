//! A target, a gateway before it, and agents.

use super::{
    gate::TestGate,
    host::{Host, certify, key_pair},
    odd_host::{Manner, OddHost},
};
use crate::{
    HostKey, HostKeys, HostTrust, NotCertified, Pass, RoleProof, ServeConfig, SessionAuthority,
    SshTarget, TargetRole, Targets, serve,
};
use countersign_core::{
    id::{Revision, SessionId},
    secret::Secret,
    target::TargetName,
};
use countersign_edge::{Incoming, Keepalive, SecretReference};
use russh::keys::{
    Certificate, PrivateKey,
    ssh_key::{
        LineEnding,
        certificate::{Builder, CertType},
        private::Ed25519Keypair,
    },
};
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than anything takes that comes to its end.
pub(crate) const LONG: Duration = Duration::from_secs(100);

/// A target and a gateway before it.
pub(crate) struct World {
    pub(crate) gate: Arc<TestGate>,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    _host: Option<Host>,
    _end: DropGuard,
}

/// What a client came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: Option<i32>,
}

#[derive(Debug)]
struct Keys(Vec<HostKey>);

impl HostKeys for Keys {
    fn current(&self) -> Vec<HostKey> {
        self.0.clone()
    }
}

/// Certifies with the key of this file, where there is one.
#[derive(Debug)]
struct Authority(PathBuf);

impl SessionAuthority for Authority {
    fn pass(&self, user: &str, session: SessionId) -> Result<Pass, NotCertified> {
        let authority = fs::read(&self.0).map_err(|error| NotCertified(Box::new(error)))?;
        let authority = PrivateKey::from_openssh(authority).unwrap();
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&rand::random()));
        let public = key.public_key().key_data().clone();
        let mut builder = Builder::new([7; 16], public, 0, u64::from(u32::MAX)).unwrap();
        builder.cert_type(CertType::User).unwrap().key_id(session.to_string()).unwrap();
        builder.valid_principal(user).unwrap();
        let certificate = builder.sign(&authority).unwrap().to_openssh().unwrap();
        let key = Secret::new(key.to_openssh(LineEnding::LF).unwrap().as_bytes());
        Ok(Pass { key, certificate })
    }
}

#[derive(Debug)]
struct OneTarget(Arc<SshTarget>);

impl Targets for OneTarget {
    fn ssh(&self, name: &TargetName) -> Option<(Revision, Arc<SshTarget>)> {
        (*name == self.0.name).then(|| (Revision(1), Arc::clone(&self.0)))
    }
}

struct Listener(TcpListener);

impl Incoming for Listener {
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::where_the_target_is_known_by("host.pub").await
    }

    /// A world in which this file of the folder has the pinned key.
    pub(crate) async fn where_the_target_is_known_by(pinned: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(folder.path()).await;
        let (port, user) = (host.port, host.user.clone());
        Self::before((folder, Some(host)), (port, user), pinned).await
    }

    /// A world whose target has manners of its own.
    pub(crate) async fn before_an_odd_host(manner: Manner) -> (Self, OddHost) {
        let folder = tempfile::tempdir().unwrap();
        let host = OddHost::start(folder.path(), manner).await;
        let world = Self::before((folder, None), (host.port, "anybody".to_owned()), "host.pub");
        (world.await, host)
    }

    async fn before(
        (folder, host): (TempDir, Option<Host>),
        (host_port, user): (u16, String),
        pinned: &str,
    ) -> Self {
        let at = |name: &str| folder.path().join(name);
        for name in ["agent", "own", "stranger", "authority"] {
            key_pair(&at(name));
        }
        for name in ["agent", "stranger"] {
            certify(&at("authority"), &at(name));
        }
        let gate = Arc::new(TestGate::new(certificate(&at("agent-cert.pub")).to_bytes().unwrap()));
        let pinned = fs::read_to_string(at(pinned)).unwrap();
        let gateway = RoleProof::Key(SecretReference::File(at("gateway")));
        let roles = [("deploy", gateway), ("certified", RoleProof::Certified)];
        let target = Arc::new(target((host_port, &user), &pinned, roles));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = fs::read_to_string(at("own.pub")).unwrap();
        fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {own}")).unwrap();
        let key = HostKey { key: Secret::new(fs::read(at("own")).unwrap()), certificate: None };
        let config = ServeConfig {
            host_keys: Arc::new(Keys(vec![key])),
            authority: Arc::new(Authority(at("authority"))),
            max_sessions: 100,
            keepalive: Keepalive::default(),
        };
        let end = CancellationToken::new();
        let (gate_of, ended) = (Arc::clone(&gate), end.clone());
        let targets = Arc::new(OneTarget(target));
        tokio::spawn(async move {
            serve(Listener(listener), gate_of, targets, config, ended).await.unwrap();
        });
        Self { gate, port, folder, _host: host, _end: end.drop_guard() }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The options that a client of OpenSSH's is given.
    pub(crate) fn options(&self) -> Vec<String> {
        let (key, known) = (self.at("agent"), self.at("known_hosts"));
        let mut options = vec!["-F".to_owned(), "none".to_owned()];
        for option in [
            format!("IdentityFile={}", key.display()),
            format!("UserKnownHostsFile={}", known.display()),
            "IdentitiesOnly=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "BatchMode=yes".to_owned(),
        ] {
            options.extend(["-o".to_owned(), option]);
        }
        options
    }

    /// OpenSSH's client, with these words behind its options.
    pub(crate) fn ssh(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.options()).args(["-p", &self.port.to_string()]).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Another client of OpenSSH's, `sftp` or `scp`.
    pub(crate) fn client(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(self.options()).args(["-P", &self.port.to_string()]).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Has `sftp` do these lines, until one fails.
    pub(crate) async fn sftp(&self, lines: &str) -> Came {
        let client = self.client("sftp", &["-b", "-", "deploy@web1@127.0.0.1"]).spawn().unwrap();
        came(client, lines.as_bytes()).await
    }

    /// Begins a command line as the agent.
    pub(crate) fn begin(&self, line: &str) -> Child {
        self.ssh(&["deploy@web1@127.0.0.1", line]).spawn().unwrap()
    }

    /// Runs a command line as the agent, to its end.
    pub(crate) async fn run(&self, line: &str) -> Came {
        came(self.begin(line), b"").await
    }

    /// Runs one that is held, and approves it.
    pub(crate) async fn run_approved(&self, line: &str, input: &[u8]) -> Came {
        let before = self.gate.hold_count();
        let client = self.begin(line);
        let approved = self.gate.approve(before);
        let (came, _) = tokio::join!(came(client, input), approved);
        came
    }
}

/// Waits for a client's end, and gives it some input.
pub(crate) async fn came(mut client: Child, input: &[u8]) -> Came {
    let mut stdin = client.stdin.take().unwrap();
    let write = async {
        // A client that has ended reads nothing.
        drop(stdin.write_all(input).await);
        drop(stdin);
    };
    let ended = async { tokio::join!(write, client.wait_with_output()).1 };
    let output = timeout(LONG, ended).await.expect("it comes to its end").unwrap();
    Came {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    }
}

/// A certificate that OpenSSH made.
pub(crate) fn certificate(file: &Path) -> Certificate {
    Certificate::from_openssh(&fs::read_to_string(file).unwrap()).unwrap()
}

fn target((port, user): (u16, &str), pinned: &str, roles: [(&str, RoleProof); 2]) -> SshTarget {
    let role = |(name, proof): (&str, _)| {
        (name.to_owned(), TargetRole { user: user.to_owned(), proof, is_default: false })
    };
    SshTarget {
        name: TargetName::parse("web1").unwrap(),
        host: "127.0.0.1".to_owned(),
        port,
        trust: HostTrust::new(&[pinned.to_owned()], &[], String::new()).unwrap(),
        roles: roles.map(role).into(),
        keepalive: Keepalive::default(),
    }
}
