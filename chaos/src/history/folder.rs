//! The folder of a history: `run.json`, `entries.jsonl`, `rows.jsonl` and an `audit-N.jsonl` for each node.

use super::{Entry, Header, History, Row};
use anyhow::{Context, Result};
use countersign_api::audit::AuditEvent;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

const HEADER: &str = "run.json";
const ENTRIES: &str = "entries.jsonl";
const ROWS: &str = "rows.jsonl";

/// Where a run is written down.
#[derive(Debug, Clone)]
pub struct Recorder {
    dir: PathBuf,
    file: Arc<Mutex<File>>,
    began_ms: u64,
}

impl Recorder {
    /// Begins a history in `dir`.
    pub fn create(dir: &Path, nodes: usize, seed: u64) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let began_ms = clock_ms();
        let header = serde_json::to_vec(&Header { nodes, began_ms, seed })?;
        std::fs::write(dir.join(HEADER), header).context("write the history's header")?;
        let path = dir.join(ENTRIES);
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { dir: dir.to_owned(), file: Arc::new(Mutex::new(file)), began_ms })
    }

    /// Milliseconds since the run began.
    pub fn now_ms(&self) -> u64 {
        clock_ms().saturating_sub(self.began_ms)
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
        write_lines(&self.dir.join(ROWS), rows)
    }

    /// Writes down the audit trail of a node.
    pub fn write_audit(&self, node: usize, events: &[AuditEvent]) -> Result<()> {
        write_lines(&audit_of(&self.dir, node), events)
    }
}

impl History {
    /// Reads a history back. A node without a trail is an error: judging fewer nodes than ran would prove less, in silence.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(HEADER);
        let header = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let header: Header = serde_json::from_slice(&header)
            .with_context(|| format!("{}: not a history's header", path.display()))?;
        let audit = (1..=header.nodes).map(|node| Ok((node, read_lines(&audit_of(dir, node))?)));
        Ok(Self {
            header,
            entries: read_lines(&dir.join(ENTRIES))?,
            rows: read_lines(&dir.join(ROWS))?,
            audit: audit.collect::<Result<_>>()?,
        })
    }
}

fn audit_of(dir: &Path, node: usize) -> PathBuf {
    dir.join(format!("audit-{node}.jsonl"))
}

fn clock_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_with_fewer_trails_than_nodes_is_not_judged() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(dir.path(), 3, 7).unwrap();
        recorder.write_rows(&[]).unwrap();
        for node in 1..=2 {
            recorder.write_audit(node, &[]).unwrap();
        }
        assert!(History::read(dir.path()).unwrap_err().to_string().contains("audit-3.jsonl"));
        recorder.write_audit(3, &[]).unwrap();
        let history = History::read(dir.path()).unwrap();
        assert_eq!((history.header.nodes, history.header.seed, history.audit.len()), (3, 7, 3));
    }
}
