//! A private OpenSSH server on loopback, for the user that runs the tests, and its client as the agent. The server of the
//! system, if there is one, is never touched.

use crate::{cluster::Cluster, folder::Folder, wait};
use anyhow::{Context as _, ensure};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command as Blocking, Stdio},
};
use tokio::process::Command;
use wait::{Look, PATIENCE};

const SERVER: &str = "/usr/sbin/sshd";
/// The server's folder in that of its test.
const HOME: &str = "ssh";
/// Whose certificates the server takes. It looks at the file at each login.
const AUTHORITIES: &str = "authorities";

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct SshHost {
    home: PathBuf,
    port: u16,
    user: String,
    server: Child,
}

impl SshHost {
    /// Makes its keys and starts it.
    pub async fn start(folder: &Folder) -> anyhow::Result<Self> {
        let home = folder.path().join(HOME);
        fs::create_dir(&home)?;
        for name in ["host", "login"] {
            let mut made = Blocking::new("ssh-keygen");
            made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(home.join(name));
            ensure!(made.status().context("ssh-keygen")?.success(), "ssh-keygen makes no key");
        }
        let user = Blocking::new("id").arg("-un").output().context("id")?.stdout;
        let user = String::from_utf8(user)?.trim().to_owned();
        if user == "root" {
            // Where the server drops its privileges to; its package makes it only when the service starts.
            fs::create_dir_all("/run/sshd")?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {login}\n\
             TrustedUserCAKeys {authorities}\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             PidFile none\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n",
            host = home.join("host").display(),
            login = home.join("login.pub").display(),
            authorities = home.join(AUTHORITIES).display(),
        );
        let file = home.join("sshd_config");
        fs::write(&file, settings)?;
        let server = Blocking::new(SERVER)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(fs::File::create(home.join("log"))?)
            .spawn()
            .context("cannot start sshd: is openssh-server installed?")?;
        let host = Self { home, port, user, server };
        wait::until("the SSH server to listen", PATIENCE, async || {
            let up = TcpStream::connect(("127.0.0.1", host.port)).is_ok();
            Ok(Look::some(up.then_some(()), "it does not"))
        })
        .await?;
        Ok(host)
    }

    /// What `dev up` is told of it.
    pub fn options(&self) -> Vec<String> {
        let at = |name: &str| self.home.join(name).display().to_string();
        let options = [
            ("--ssh", format!("127.0.0.1:{}", self.port)),
            ("--ssh-user", self.user.clone()),
            ("--ssh-key", at("login")),
            ("--ssh-host-key", at("host.pub")),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// OpenSSH's client as `ci-bot` at a node, with one command line. The token is given as the password.
pub fn client(cluster: &Cluster, node: usize, line: &str) -> anyhow::Result<Command> {
    let known = PathBuf::from(cluster.environment().get("CS_SSH_KNOWN_HOSTS")?);
    client_that_knows(&known, "deploy", cluster, (node, line))
}

/// The file of the authorities whose certificates the server of a cluster takes. There is none at first.
pub fn authorities(cluster: &Cluster) -> PathBuf {
    cluster.path().join(HOME).join(AUTHORITIES)
}

/// The same, with a `known_hosts` file of its own and a role.
pub fn client_that_knows(
    known: &Path,
    role: &str,
    cluster: &Cluster,
    (node, line): (usize, &str),
) -> anyhow::Result<Command> {
    let (mut command, host) = program(("ssh", "-p"), known, role, (cluster, node))?;
    command.args([&host, line]);
    Ok(command)
}

/// OpenSSH's `scp` as `ci-bot` through a node, which writes a file at the host.
pub fn copier(cluster: &Cluster, node: usize, from: &Path, to: &Path) -> anyhow::Result<Command> {
    let known = PathBuf::from(cluster.environment().get("CS_SSH_KNOWN_HOSTS")?);
    let (mut command, host) = program(("scp", "-P"), &known, "deploy", (cluster, node))?;
    command.arg(from).arg(format!("{host}:{}", to.display()));
    Ok(command)
}

/// A program of OpenSSH's with its options so far, and the host that it is to name.
fn program(
    (name, port_option): (&str, &str),
    known: &Path,
    role: &str,
    (cluster, node): (&Cluster, usize),
) -> anyhow::Result<(Command, String)> {
    let environment = cluster.environment();
    let address = environment.of_node("CS_SSH", node)?;
    let (host, port) = address.rsplit_once(':').context("not host:port")?;
    let user = format!("{role}@{}@{host}", environment.get("CS_TARGET_SSH")?);
    let mut command = Command::new(name);
    command.args(["-F", "none", port_option, port]);
    for option in [
        &format!("UserKnownHostsFile={}", known.display()),
        "StrictHostKeyChecking=yes",
        "PreferredAuthentications=password",
        "NumberOfPasswordPrompts=1",
    ] {
        command.args(["-o", option]);
    }
    command
        .env("SSH_ASKPASS", askpass(cluster.path())?)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("CS_PASSWORD", environment.get("CS_AGENT_TOKEN")?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok((command, user))
}

/// A program that tells OpenSSH the password.
fn askpass(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("askpass");
    fs::write(&file, "#!/bin/sh\nprintf '%s\\n' \"$CS_PASSWORD\"\n")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    Ok(file)
}
