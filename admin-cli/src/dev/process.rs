//! Processes of a development cluster: started apart from this one, known by pid and start time, ended by pid. A pid that
//! was given to another process meanwhile is not ours, and is left alone.

use super::directory::Directory;
use crate::files;
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a process may take to end: a node drains for ten seconds, and its last words and records take a few more.
const END_DEADLINE: Duration = Duration::from_secs(40);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) pid: i32,
    /// Clock ticks after boot (proc(5), `/proc/PID/stat`, field 22), which tells it from a later process of this pid.
    started: u64,
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and SIGKILL when that does not help in time.
    Stop,
}

impl Running {
    /// Whether it runs. One that has ended and was not waited for is dead, as soon as its last thread is: until then its
    /// ports are taken.
    pub(super) fn is_alive(&self) -> bool {
        let Some((state, started)) = look(self.pid) else { return false };
        let ended = state == 'X' || (state == 'Z' && threads(self.pid) <= 1);
        started == self.started && !ended
    }

    /// Ends it and waits until it is gone.
    pub(super) async fn end(&self, ending: Ending) -> anyhow::Result<()> {
        if ending == Ending::Stop {
            self.signal(Signal::TERM)?;
            if self.is_gone_in_time().await {
                return Ok(());
            }
        }
        self.signal(Signal::KILL)?;
        if !self.is_gone_in_time().await {
            bail!("process {} does not end", self.pid);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.pid).context("not a pid")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal process {}", self.pid))
    }

    async fn is_gone_in_time(&self) -> bool {
        let deadline = Instant::now() + END_DEADLINE;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }
}

/// How many threads a process still has (proc(5), `/proc/PID/task`); its first one stays listed until it is waited for.
fn threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The state letter and the start time of a process.
fn look(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses and may hold anything: what follows its last one is plain.
    let (_, plain) = stat.rsplit_once(')')?;
    let mut fields = plain.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 was the state; 22 is the nineteenth after it.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// Starts `program` as node `id`, from its configuration.
pub(super) fn spawn_node(directory: &Directory, id: u64, program: &str) -> anyhow::Result<Running> {
    let file = directory.node_file(id);
    spawn(
        directory,
        &format!("node-{id}"),
        program,
        [OsStr::new("serve"), OsStr::new("--config"), file.as_os_str()],
    )
}

/// Starts the program `name` that lies beside this one, or anywhere if `name` is an absolute path, in a process group of its own, its output going to a log file.
pub(super) fn spawn<'a>(
    directory: &Directory,
    title: &str,
    name: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> anyhow::Result<Running> {
    let log = directory.log(title);
    if let Some(folder) = log.parent() {
        files::make_private_dir(folder)?;
    }
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let program = beside(name)?;
    // What is set for this program is not meant for a node.
    let own = std::env::vars_os().map(|(name, _)| name);
    let own = own.filter(|name| name.to_string_lossy().starts_with("COUNTERSIGN_"));
    let mut command = Command::new(&program);
    for name in own {
        command.env_remove(name);
    }
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let pid = i32::try_from(child.id()).context("not a pid")?;
    let started =
        look(pid).map(|(_, started)| started).with_context(|| format!("{name} ended at once"))?;
    Ok(Running { pid, started })
}

/// The program of this name in the directory of this one.
pub(super) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{} is missing: build the workspace, so that {name} lies beside countersignctl",
            path.display()
        );
    }
    Ok(path)
}
