//! A private PostgreSQL for a run: its own data, its own port on loopback, gone afterwards. A system PostgreSQL is never
//! touched. Its table takes every row twice if it is told to, so that a doubled execution shows, and each row knows when it
//! was written.

use crate::history::Row;
use anyhow::{Context, Result, bail};
use rand::RngExt;
use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    io::Write,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;
use tokio_postgres::NoTls;

/// Where Debian keeps the servers' programs.
const DEBIAN_PROGRAMS: &str = "/usr/lib/postgresql";
/// The account that runs the server where this process is root, as PostgreSQL refuses to run as root.
const SERVER_ACCOUNT: &str = "postgres";

/// Modes of what only the owner may enter or read, and of what others may pass through.
const OWNERS_DIR: u32 = 0o700;
const OWNERS_FILE: u32 = 0o600;
const PASSABLE_DIR: u32 = 0o711;
/// The table's contents, with the time of each row in milliseconds since the Unix epoch.
const ROWS: &str = "SELECT mark, array_agg(floor(extract(epoch FROM at) * 1000)::bigint ORDER BY at) \
                    FROM public.marks GROUP BY mark ORDER BY mark";

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
        DirBuilder::new().mode(OWNERS_DIR).create(&data)?;
        let password_file = dir.join("postgres-password");
        let mut file = OpenOptions::new();
        file.write(true)
            .create_new(true)
            .mode(OWNERS_FILE)
            .open(&password_file)?
            .write_all(password.as_bytes())?;
        if is_root() {
            let owner = format!("{SERVER_ACCOUNT}:");
            run(Command::new("chown").arg(&owner).arg(&data).arg(&password_file)).await?;
            // The server's account must be able to pass through, whatever this process's umask is, and to do no more.
            std::fs::set_permissions(dir, Permissions::from_mode(PASSABLE_DIR))?;
        }
        let target = Self {
            url: format!("postgres://countersign:{password}@127.0.0.1:{port}/orders"),
            programs,
            data,
        };
        let ready = target.initialise(&password_file, port).await;
        std::fs::remove_file(&password_file)?;
        let ready = match ready {
            Ok(()) => target.make_table().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            // It may not even run.
            target.stop().await.ok();
            return Err(error);
        }
        Ok(target)
    }

    /// The URL that goes straight to it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the table holds: the truth.
    pub async fn rows(&self) -> Result<Vec<Row>> {
        let client = self.connect(&self.url).await?;
        let rows = client.query(ROWS, &[]).await?;
        let row = |row: &tokio_postgres::Row| {
            let written: Vec<i64> = row.try_get(1)?;
            let written_ms = written.into_iter().map(i64::unsigned_abs).collect();
            Ok(Row { mark: row.try_get(0)?, written_ms })
        };
        rows.iter().map(row).collect()
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
            .batch_execute(
                "CREATE TABLE public.marks (mark text NOT NULL, agent text NOT NULL, \
                 at timestamptz NOT NULL DEFAULT clock_timestamp())",
            )
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
    let found = std::fs::read_dir(DEBIAN_PROGRAMS)
        .with_context(|| format!("read {DEBIAN_PROGRAMS}: install the package `postgresql`"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(|path| version(path));
    Ok(found.context("no PostgreSQL server found: install the package `postgresql`")?.join("bin"))
}

/// The version that a folder is named after, by numbers: 15 comes after 9.6.
fn version(folder: &Path) -> Vec<u32> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

async fn run(command: &mut Command) -> Result<()> {
    // Ctrl-C at the terminal is this program's to handle.
    command.process_group(0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_server_is_told_by_numbers() {
        let folders = ["15", "9.6", "9.10", "16", "old"].map(PathBuf::from);
        assert_eq!(folders.iter().max_by_key(|path| version(path)).unwrap(), Path::new("16"));
        assert!(version(Path::new("/x/15")) > version(Path::new("/x/9.6")));
        assert!(version(Path::new("9.10")) > version(Path::new("9.6")));
    }
}
