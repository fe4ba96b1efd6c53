//! An OpenSSH server of a test's own, on loopback, for the user that runs the test.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const PROGRAM: &str = "/usr/sbin/sshd";

/// A server that ends with the test.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) port: u16,
    pub(crate) user: String,
    server: Child,
}

/// Makes a key pair at `path` and `path.pub`.
pub(crate) fn key_pair(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success(), "ssh-keygen (openssh-client) makes a key");
}

/// Makes a certificate for a key pair, in the file `NAME-cert.pub` beside it.
pub(crate) fn certify(authority: &Path, key: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-n", "deploy@web1", "-s"])
        .args([authority, &key.with_extension("pub")])
        .status();
    assert!(made.unwrap().success(), "ssh-keygen makes a certificate");
}

impl Host {
    /// Starts a server in `folder` that lets in who has the key `gateway`.
    pub(crate) async fn start(folder: &Path) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is not there: install openssh-server");
        let (host, gateway) = (folder.join("host"), folder.join("gateway"));
        key_pair(&host);
        key_pair(&gateway);
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout);
        let user = user.unwrap().trim().to_owned();
        if user == "root" {
            // Where it drops its privileges to; the package makes it only when the service starts.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
             TrustedUserCAKeys {}\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n\
             Subsystem sftp internal-sftp\nMaxStartups 100\nMaxSessions 100\nLogLevel VERBOSE\n",
            host.display(),
            gateway.with_extension("pub").display(),
            folder.join("authority.pub").display(),
        );
        let file = folder.join("sshd_config");
        fs::write(&file, settings).unwrap();
        let server = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("sshd.log")).unwrap())
            .spawn()
            .unwrap();
        let host = Self { port, user, server };
        host.wait_for().await;
        host
    }

    async fn wait_for(&self) {
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not listen");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
