//! A place to test in: a PostgreSQL of the test's own, and the adapter in front of it.

use super::gate::TestGate;
use crate::{
    AnyCertificate, ChannelBinding, PostgresTarget, TargetAddress, TargetRole, TargetTls, Targets,
    catalogue::Catalogues,
    evidence::AskingPlaces,
    serve::{Listening, ServeConfig},
    session::{Surroundings, TextReader},
};
use countersign_core::{id::Revision, target::TargetName};
use countersign_edge::Incoming;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, generate_simple_self_signed,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const BIN: &str = "/usr/lib/postgresql/15/bin";

const SETUP: &str = "
CREATE ROLE app LOGIN; CREATE ROLE reader; GRANT reader TO app;
CREATE ROLE scram LOGIN PASSWORD 'sesame'; GRANT app TO scram;
CREATE ROLE certified LOGIN; GRANT app TO certified;
CREATE DATABASE orders OWNER app;
\\c orders
SET ROLE app;
CREATE SCHEMA IF NOT EXISTS public;
CREATE TABLE public.accounts(id int PRIMARY KEY, name text);
INSERT INTO public.accounts SELECT n, 'name ' || n FROM generate_series(1, 10) n;
CREATE VIEW public.plain_view AS SELECT id FROM accounts;
CREATE FUNCTION public.wipe(a accounts) RETURNS int LANGUAGE sql AS 'DELETE FROM accounts RETURNING 1';
CREATE FUNCTION public.burn() RETURNS int LANGUAGE sql AS 'DELETE FROM accounts RETURNING 1';
CREATE VIEW public.bad_view AS SELECT public.burn() AS id;
CREATE FUNCTION public.upper(t varchar) RETURNS text LANGUAGE sql AS 'DELETE FROM accounts RETURNING name';
";

/// Sessions of the place, and how agents are asked whether they are there.
const LIMITS: (usize, countersign_edge::Keepalive) = (100, KEEPALIVE);
const KEEPALIVE: countersign_edge::Keepalive = countersign_edge::Keepalive {
    idle: Duration::from_secs(15),
    interval: Duration::from_secs(15),
    probes: 4,
};

/// In the folder of the data.
const SSL_FILES: &str =
    "-c ssl_cert_file=../target.pem -c ssl_key_file=../target.key -c ssl_ca_file=../authority.pem";

/// What is at the address of the target.
#[derive(PartialEq)]
pub(crate) enum Listens {
    Postgres,
    /// The same, over TCP and with a certificate.
    PostgresTls,
    Nothing,
}

pub(crate) struct Place {
    pub(crate) gate: Arc<TestGate>,
    pub(crate) address: SocketAddr,
    pub(crate) client_tls: Arc<ClientConfig>,
    pub(crate) folder: TempDir,
    /// The name in the certificate of a target over TLS.
    pub(crate) host: String,
    postgres: Option<PathBuf>,
}

#[derive(Debug)]
struct OneTarget(Arc<PostgresTarget>);

impl Targets for OneTarget {
    fn postgres(&self, name: &TargetName) -> Option<(Revision, Arc<PostgresTarget>)> {
        (*name == self.0.name).then(|| (Revision(1), Arc::clone(&self.0)))
    }
}

/// A bare listener.
struct Bare(TcpListener);

impl Incoming for Bare {
    async fn next(&mut self) -> std::io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

impl Place {
    /// The adapter before a fresh PostgreSQL.
    pub(crate) async fn with_postgres() -> Self {
        Self::with(Listens::Postgres, |_| {}).await
    }

    /// The adapter before a target that nothing listens at: dialling it fails.
    pub(crate) async fn without_target() -> Self {
        Self::with(Listens::Nothing, |_| {}).await
    }

    pub(crate) async fn with(listens: Listens, change: impl FnOnce(&mut PostgresTarget)) -> Self {
        Self::with_tls(listens, |target, _| change(target)).await
    }

    /// The same with another gate than the tests' usual one.
    pub(crate) async fn behind(
        gate: TestGate,
        listens: Listens,
        change: impl FnOnce(&mut PostgresTarget),
    ) -> Self {
        Self::made(gate, listens, |target, _| change(target)).await
    }

    /// The change is also given the file of the authority that a target over TLS has its certificate from.
    pub(crate) async fn with_tls(
        listens: Listens,
        change: impl FnOnce(&mut PostgresTarget, PathBuf),
    ) -> Self {
        Self::made(TestGate::new(), listens, change).await
    }

    async fn made(
        gate: TestGate,
        listens: Listens,
        change: impl FnOnce(&mut PostgresTarget, PathBuf),
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("cs").tempdir_in("/tmp").unwrap();
        // An address of the test's own, so that the port is free.
        let [a, b, c]: [u8; 3] = rand::random();
        let host = format!("127.{}.{b}.{}", a.max(1), c.clamp(1, 254));
        let authority = target_certificate(folder.path(), &host);
        let data = match listens {
            Listens::Postgres => Some(start(folder.path(), "-h ''")),
            Listens::PostgresTls => {
                Some(start(folder.path(), &format!("-h {host} -c ssl=on {SSL_FILES}")))
            }
            Listens::Nothing => None,
        };
        let key = folder.path().join("password");
        std::fs::write(&key, "sesame\n").unwrap();
        let role = |user: &str, password: Option<&Path>, is_default| TargetRole {
            user: user.to_owned(),
            password: password.map(|path| countersign_edge::SecretReference::File(path.to_owned())),
            certificate: None,
            reader: None,
            is_default,
        };
        let mut target = PostgresTarget {
            name: TargetName::parse("orders").unwrap(),
            address: TargetAddress::Unix { directory: folder.path().to_owned(), port: 5432 },
            tls: TargetTls::Disabled,
            databases: vec!["orders".to_owned()],
            search_path: vec!["public".to_owned()],
            roles: BTreeMap::from([
                ("app".to_owned(), role("app", None, true)),
                ("scram".to_owned(), role("scram", Some(&key), false)),
            ]),
            read_limit: None,
            record_rows: crate::RecordedRows::None,
            allow_functions: Vec::new(),
            keepalive: countersign_edge::Keepalive::default(),
        };
        if listens == Listens::PostgresTls {
            target.address = TargetAddress::Tcp { host: host.clone(), port: 5432 };
            let ca_file = authority.clone();
            let channel_binding = ChannelBinding::Preferred;
            target.tls = TargetTls::VerifyFull { ca_file, server_name: None, channel_binding };
        }
        change(&mut target, authority);
        let (server_tls, client_tls) = certificates(folder.path());
        let gate = Arc::new(gate);
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let surroundings = Surroundings {
            gate: Arc::<TestGate>::clone(&gate),
            reader: TextReader::Here,
            catalogues: Catalogues::new(),
            evidence: AskingPlaces::default(),
            shutdown: shutdown.clone(),
        };
        let listening =
            Listening::new(server_tls, Arc::new(OneTarget(Arc::new(target))), surroundings, LIMITS);
        tokio::spawn(crate::serve::listen(Bare(listener), listening, shutdown));
        Self { gate, address, client_tls, folder, host, postgres: data }
    }

    /// Asks the target itself, past the gateway.
    pub(crate) fn truth(&self, sql: &str) -> String {
        psql(self.folder.path(), "orders", sql)
    }

    /// A psql that goes through the gateway.
    pub(crate) fn psql(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("psql");
        command
            .arg(format!(
                "host=127.0.0.1 port={} dbname=orders user=app sslmode=verify-full sslrootcert={}",
                self.address.port(),
                self.folder.path().join("ca.pem").display()
            ))
            .args(["-X", "-A", "-t", "-q", "-v", "VERBOSITY=verbose"])
            .args(arguments)
            .env("PGPASSWORD", super::gate::TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(data) = &self.postgres {
            drop(as_postgres("pg_ctl").args(["-m", "immediate", "stop", "-D"]).arg(data).output());
        }
    }
}

fn certificates(folder: &Path) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("ca.pem"), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyCertificate::new(Arc::clone(&provider))))
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// A program of PostgreSQL's, run as the user that it accepts.
fn as_postgres(program: &str) -> Command {
    let program = format!("{BIN}/{program}");
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", &program]);
        command
    } else {
        Command::new(program)
    }
}

/// Certificates of an authority of the test's: for a target at this host, and the gateway's own with the name `certified`;
/// returns the authority's file.
fn target_certificate(folder: &Path, host: &str) -> PathBuf {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "authority");
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let file = folder.join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let issue = |name: &str, common_name: &str, alternative: Vec<String>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(alternative).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let key_file = folder.join(format!("{name}.key"));
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        run(Command::new("chmod").arg("600").arg(&key_file));
        key_file
    };
    let key = issue("target", host, vec![host.to_owned()]);
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").arg("postgres").arg(&key));
    }
    issue("own", "certified", Vec::new());
    file
}

fn start(folder: &Path, listen: &str) -> PathBuf {
    let data = folder.join("data");
    run(Command::new("chmod").arg("777").arg(folder));
    run(as_postgres("initdb")
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-D",
        ])
        .arg(&data));
    let hba = "local all scram scram-sha-256\nlocal all all trust\n\
        hostssl all scram 127.0.0.0/8 scram-sha-256\nhostssl all certified 127.0.0.0/8 cert\n\
        hostssl all all 127.0.0.0/8 trust\n";
    std::fs::write(data.join("pg_hba.conf"), hba).unwrap();
    let options = format!(
        "-k {} {listen} -F -c shared_buffers=16MB -c max_connections=40 -c autovacuum=off -c max_prepared_transactions=2",
        folder.display()
    );
    run(as_postgres("pg_ctl")
        .args(["-w", "-s", "-l"])
        .arg(folder.join("data/log"))
        .args(["-o", &options, "-D"])
        .arg(&data)
        .arg("start"));
    psql(folder, "postgres", SETUP);
    data
}

fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).status().unwrap();
    assert!(output.success(), "{command:?}");
}

fn psql(folder: &Path, database: &str, sql: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-h",
        ])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{sql}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Keeps the type of the public configuration in use beside the tests' own way in.
#[test]
fn the_public_configuration_can_be_shared() {
    fn is_shared<T: Clone + Send + Sync>() {}
    is_shared::<ServeConfig>();
}
