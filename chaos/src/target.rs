//! A private PostgreSQL for a run: its own data, its own port on loopback, gone afterwards. A system PostgreSQL is never
//! touched. Its table takes every row twice if it is told to, so that a doubled execution shows.

use crate::history::Row;
use anyhow::{Context, Result, bail};
use rand::RngExt;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;
use tokio_postgres::NoTls;

/// Where Debian keeps the servers' programs.
const DEBIAN_PROGRAMS: &str = "/usr/lib/postgresql";
/// The account that runs the server where this process is root, as PostgreSQL refuses to run as root.
const SERVER_ACCOUNT: &str = "postgres";

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Target {
    programs: PathBuf,
    data: PathBuf,
    url: String,
}

impl Target {
    /// Makes and starts one in `dir`, with the table that the agents write to.
    pub async fn start(dir: &Path) -> Result<Self> {
        let programs = programs()?;
        let data = dir.join("postgres");
        let port =
            TcpListener::bind("127.0.0.1:0").context("find a free port")?.local_addr()?.port();
        let password = format!("{:032x}", rand::rng().random::<u128>());
        std::fs::create_dir_all(&data)?;
        let password_file = dir.join("postgres-password");
        std::fs::write(&password_file, &password)?;
        if is_root() {
            let owner = format!("{SERVER_ACCOUNT}:");
            run(Command::new("chown").arg(&owner).arg(&data).arg(&password_file)).await?;
        }
        let target = Self {
            url: format!("postgres://countersign:{password}@127.0.0.1:{port}/orders"),
            programs,
            data,
        };
        target.initialise(&password_file, port).await?;
        target.make_table().await?;
        Ok(target)
    }

    /// The URL that goes straight to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the table holds: the truth.
    pub async fn rows(&self) -> Result<Vec<Row>> {
        let client = self.connect(&self.url).await?;
        let rows = client
            .query("SELECT mark, count(*) FROM public.marks GROUP BY mark ORDER BY mark", &[])
            .await?;
        Ok(rows.iter().map(|row| Row { mark: row.get(0), times: row.get(1) }).collect())
    }

    /// Stops it.
    pub async fn stop(&self) -> Result<()> {
        run(self.as_server("pg_ctl").arg("-D").arg(&self.data).args(["-m", "immediate", "stop"]))
            .await
    }

    async fn initialise(&self, password_file: &Path, port: u16) -> Result<()> {
        run(self
            .as_server("initdb")
            .arg("-D")
            .arg(&self.data)
            .args([
                "-U",
                "countersign",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg("--pwfile")
            .arg(password_file))
        .await?;
        // The server's disk is not what is tested.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        );
        run(self
            .as_server("pg_ctl")
            .arg("-D")
            .arg(&self.data)
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(self.data.join("log"))
            .arg("start"))
        .await
    }

    async fn make_table(&self) -> Result<()> {
        let first = self.url.replace("/orders", "/postgres");
        self.connect(&first).await?.batch_execute("CREATE DATABASE orders").await?;
        let client = self.connect(&self.url).await?;
        // Deliberately without a key.
        client
            .batch_execute("CREATE TABLE public.marks (mark text NOT NULL, agent text NOT NULL)")
            .await?;
        Ok(())
    }

    async fn connect(&self, url: &str) -> Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context("connect to the target")?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the target ended");
            }
        });
        Ok(client)
    }

    fn as_server(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", SERVER_ACCOUNT, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn programs() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(DEBIAN_PROGRAMS)
        .with_context(|| format!("read {DEBIAN_PROGRAMS}: install the package `postgresql`"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().context("no PostgreSQL server found: install the package `postgresql`")
}

async fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().await?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            command.as_std().get_program().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
