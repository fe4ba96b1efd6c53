//! A private PostgreSQL: its own data, its own port on the loopback, its own roles and a small shop to work on. The server
//! of the system, if there is one, is never touched.

use crate::{folder::Folder, process, programs, wait};
use anyhow::{Context as _, ensure};
use rand::RngExt as _;
use rustix::process::{Signal, geteuid};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tokio_postgres::{Client, NoTls, config::Config};

/// The database that the target offers.
pub const DATABASE: &str = "orders";
/// How the server logs what the gateway has it explain: agents' statements are named or simple ones.
const EXPLAINED: &str = "LOG:  execute <unnamed>: EXPLAIN (FORMAT JSON) ";
/// How many orders there are at first.
pub const ORDERS: i64 = 100;

const SCHEMA: &str = "
    CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance numeric NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, account bigint NOT NULL, state text NOT NULL, note text);
    CREATE TABLE written (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
    INSERT INTO accounts SELECT n, 'owner ' || n, 1000 FROM generate_series(1, 10) n;
    INSERT INTO orders SELECT n, n % 10 + 1, 'open', 'order ' || n FROM generate_series(1, 100) n;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO orders_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO orders_reader;
    GRANT orders_reader TO orders_app;
    CREATE SCHEMA other;
    CREATE TABLE other.orders (LIKE public.orders);
    GRANT USAGE ON SCHEMA other TO orders_app, orders_reader;
    GRANT ALL ON other.orders TO orders_app;";

/// A running server. Stopped and gone when dropped.
#[derive(Debug)]
pub struct PrivatePostgres {
    data: PathBuf,
    log: PathBuf,
    port: u16,
    password: String,
}

impl PrivatePostgres {
    /// Makes the cluster of files, starts the server, and fills the database.
    pub async fn start(folder: &Folder) -> anyhow::Result<Self> {
        let home = folder.path().join("pg");
        fs::create_dir(&home)?;
        let password = hex_word();
        let port = free_port()?;
        let data = home.join("data");
        let secret = home.join("password");
        fs::write(&secret, &password)?;
        if geteuid().is_root() {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(&home))?;
        }
        let mut initdb = as_server_user(&programs::postgres("initdb")?);
        initdb.args([
            "--no-sync",
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
        ]);
        run(initdb.arg("-D").arg(&data).arg("--pwfile").arg(&secret))?;
        configure(&data, &home, port)?;
        let mut start = as_server_user(&programs::postgres("pg_ctl")?);
        start.args(["start", "-w", "-t", "60", "-s"]).arg("-D").arg(&data);
        let log = home.join("server.log");
        run(start.arg("-l").arg(&log))?;
        let server = Self { data, log, port, password };
        server.fill().await?;
        Ok(server)
    }

    /// The server's port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As a URL for the role that the target uses.
    pub fn url(&self) -> String {
        format!("postgres://orders_app:{}@127.0.0.1:{}/{DATABASE}", self.password, self.port)
    }

    /// A connection straight to the server as its superuser: the truth.
    pub async fn truth(&self) -> anyhow::Result<Client> {
        self.connect(DATABASE).await
    }

    /// One number, straight from the server.
    pub async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let row = self.truth().await?.query_one(sql, &[]).await?;
        row.try_get(0).context("not a bigint")
    }

    /// How many statements that contain this have reached the server, by its own log.
    pub fn received(&self, part: &str) -> anyhow::Result<usize> {
        Ok(self.statements()?.iter().filter(|statement| statement.contains(part)).count())
    }

    /// The first lines of the statements that have reached the server, by its own log, beside those that the gateway only
    /// has explained for reviewers. It reads the whole log: who looks for many things does it once.
    pub fn statements(&self) -> anyhow::Result<Vec<String>> {
        let log = fs::read(&self.log).context("cannot read the server's log")?;
        let log = String::from_utf8_lossy(&log);
        let marks = ["LOG:  statement: ", "LOG:  execute "];
        let statements = log
            .lines()
            .filter(|line| marks.iter().any(|mark| line.contains(mark)))
            .filter(|line| !line.contains(EXPLAINED));
        Ok(statements.map(str::to_owned).collect())
    }

    /// Waits until a query of the truth gives the number.
    pub async fn until_number(
        &self,
        sql: &str,
        wanted: i64,
        patience: Duration,
    ) -> anyhow::Result<()> {
        wait::until(sql, patience, async || {
            let found = self.number(sql).await?;
            Ok(wait::Look::some((found == wanted).then_some(()), found.to_string()))
        })
        .await
    }

    async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").password(&self.password);
        let (client, connection) = config.dbname(database).connect(NoTls).await?;
        // Ends when the client is dropped; the client's own calls report what goes wrong.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let admin = self.connect("postgres").await?;
        for role in ["orders_app", "orders_reader"] {
            admin
                .batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", self.password))
                .await?;
        }
        admin.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
        self.truth().await?.batch_execute(SCHEMA).await?;
        Ok(())
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // postmaster.pid: its first line is the process id. SIGQUIT: immediate shutdown.
        let pid = fs::read_to_string(self.data.join("postmaster.pid"))
            .ok()
            .and_then(|text| text.lines().next()?.trim().parse().ok());
        if let Some(pid) = pid {
            process::signal(pid, Signal::QUIT);
        }
    }
}

fn configure(data: &Path, sockets: &Path, port: u16) -> anyhow::Result<()> {
    let settings = format!(
        "\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n\
         shared_buffers = 64MB\njit = off\nautovacuum = off\nlog_statement = all\n",
        sockets.display()
    );
    let path = data.join("postgresql.conf");
    let text = fs::read_to_string(&path)? + &settings;
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// PostgreSQL refuses to run as root.
fn as_server_user(program: &Path) -> Command {
    if geteuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    // The server inherits these: a pipe would never end.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// A port that is free now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn hex_word() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}
