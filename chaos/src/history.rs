//! What a run writes down, one JSON document a line, so that a run can be judged again later without any server.
//! Times are milliseconds since the run began, by one clock. Nothing here judges.

use anyhow::{Context, Result};
use countersign_api::audit::AuditEvent;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// One thing that happened during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// An agent sent a write that inserts `mark` into the target's table.
    WriteSent {
        /// Milliseconds since the run began.
        at_ms: u64,
        /// The unique text the statement inserts.
        mark: String,
        /// The node it was sent to, from 1.
        node: usize,
        /// The attempt, from 1; each attempt sends the same bytes.
        attempt: u32,
    },
    /// An agent sent an allowed read.
    ReadSent {
        /// Milliseconds since the run began.
        at_ms: u64,
        /// The unique text in the statement.
        mark: String,
        /// The node.
        node: usize,
    },
    /// What the agent was answered.
    Answered {
        /// Milliseconds since the run began.
        at_ms: u64,
        /// The statement's text.
        mark: String,
        /// The node.
        node: usize,
        /// What it was.
        answer: Answer,
    },
    /// A reviewer decided, and what the API said.
    Decided {
        /// Milliseconds since the run began.
        at_ms: u64,
        /// The node asked.
        node: usize,
        /// The hold.
        hold: String,
        /// The reviewer.
        reviewer: String,
        /// `approve` or `reject`.
        decision: String,
        /// The HTTP status; 0 when no answer came.
        status: u16,
    },
    /// A fault began or ended.
    Fault {
        /// Milliseconds since the run began.
        at_ms: u64,
        /// Which fault.
        fault: String,
        /// The node it hit.
        node: usize,
        /// Whether it began or ended.
        phase: Phase,
    },
}

/// What an agent was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// The command was done.
    Done,
    /// An error with this SQLSTATE.
    Refused {
        /// The SQLSTATE.
        sqlstate: String,
        /// The message.
        message: String,
    },
    /// The connection broke, or never came to be.
    Lost {
        /// What the client said.
        message: String,
    },
}

/// Whether a fault begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// One row of the target's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The unique text.
    pub mark: String,
    /// How often it stands there; more than once is a doubled execution.
    pub times: i64,
}

/// A whole run, as the checkers see it.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What happened, in the order it was written down.
    pub entries: Vec<Entry>,
    /// The target's table after the run.
    pub rows: Vec<Row>,
    /// The audit trail of every node after the run.
    pub audit: BTreeMap<usize, Vec<AuditEvent>>,
}

/// Where a run is written down.
#[derive(Debug, Clone)]
pub struct Recorder {
    dir: PathBuf,
    file: Arc<Mutex<File>>,
    began: tokio::time::Instant,
}

impl Recorder {
    /// Begins a history in `dir`.
    pub fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let path = dir.join("entries.jsonl");
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            file: Arc::new(Mutex::new(file)),
            began: tokio::time::Instant::now(),
        })
    }

    /// Milliseconds since the run began.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes an entry down.
    pub fn write(&self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file =
            self.file.lock().map_err(|_| anyhow::anyhow!("the history's writer panicked"))?;
        file.write_all(&line).context("write the history")
    }

    /// Writes down what the target's table holds.
    pub fn write_rows(&self, rows: &[Row]) -> Result<()> {
        write_lines(&self.dir.join("rows.jsonl"), rows)
    }

    /// Writes down the audit trail of a node.
    pub fn write_audit(&self, node: usize, events: &[AuditEvent]) -> Result<()> {
        write_lines(&self.dir.join(format!("audit-{node}.jsonl")), events)
    }
}

impl History {
    /// Reads a history back.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut audit = BTreeMap::new();
        for node in 1.. {
            let path = dir.join(format!("audit-{node}.jsonl"));
            if !path.exists() {
                break;
            }
            audit.insert(node, read_lines(&path)?);
        }
        Ok(Self {
            entries: read_lines(&dir.join("entries.jsonl"))?,
            rows: read_lines(&dir.join("rows.jsonl"))?,
            audit,
        })
    }

    /// The longest audit trail: the one that the checkers of single events read. That the others agree with it is a
    /// checker of its own.
    pub fn trail(&self) -> &[AuditEvent] {
        self.audit.values().max_by_key(|events| events.len()).map_or(&[], Vec::as_slice)
    }
}

fn write_lines<T: Serialize>(path: &Path, items: &[T]) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    for item in items {
        serde_json::to_writer(&mut file, item)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut items = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        let item = serde_json::from_str(&line)
            .with_context(|| format!("{}:{}: not an entry", path.display(), number + 1))?;
        items.push(item);
    }
    Ok(items)
}
