//! The client of people: a real psql as a process of its own.

use crate::agent::Login;
use anyhow::Context as _;
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

/// How long psql may take where a test says nothing.
const DEADLINE: Duration = Duration::from_mins(1);

/// What psql said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit status: 0 done, 1 own error, 2 connection lost, 3 the script failed.
    pub code: Option<i32>,
    /// Rows and command tags.
    pub stdout: String,
    /// Notices and errors.
    pub stderr: String,
}

/// A psql that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

/// Starts psql with one statement. Its password is in its environment, not on its command line.
pub fn spawn(login: &Login, sql: &str) -> anyhow::Result<Running> {
    let mut command = command(login);
    let mut child = command.arg("-c").arg(sql).spawn().context("cannot start psql")?;
    let stderr = BufReader::new(child.stderr.take().context("no stderr")?);
    Ok(Running { child, stderr, seen: String::new() })
}

/// Runs one statement to its end.
pub async fn run(login: &Login, sql: &str) -> anyhow::Result<Said> {
    spawn(login, sql)?.finish().await
}

/// psql, ready for more arguments.
pub fn command(login: &Login) -> Command {
    let mut command = Command::new("psql");
    let connection = format!(
        "host={} port={} dbname={} user={} sslmode=verify-full sslrootcert={} connect_timeout=20",
        login.host,
        login.port,
        login.database,
        login.user,
        login.ca_file.display()
    );
    command
        .args([
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-v",
            "VERBOSITY=verbose",
            "-d",
            &connection,
        ])
        .env("PGPASSWORD", &login.token)
        .env_remove("PGSSLMODE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(options) = &login.options {
        command.env("PGOPTIONS", options);
    }
    command
}

impl Running {
    /// Waits until a line on stderr contains this, and returns all of stderr up to it.
    pub async fn until_told(&mut self, part: &str) -> anyhow::Result<String> {
        let told = timeout(DEADLINE, async {
            loop {
                let mut line = String::new();
                if self.stderr.read_line(&mut line).await? == 0 {
                    anyhow::bail!("psql ended before it said `{part}`; it said: {}", self.seen);
                }
                self.seen.push_str(&line);
                if line.contains(part) {
                    return Ok(self.seen.clone());
                }
            }
        });
        told.await.with_context(|| format!("psql did not say `{part}`; it said: {}", self.seen))?
    }

    /// Waits for the end.
    pub async fn finish(mut self) -> anyhow::Result<Said> {
        let ended = timeout(DEADLINE, async {
            self.stderr.read_to_string(&mut self.seen).await?;
            self.child.wait_with_output().await
        });
        let output = ended.await.context("psql did not end")??;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: self.seen,
        })
    }

    /// Kills psql as a lost machine would: no message to the gateway.
    pub async fn vanish(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
