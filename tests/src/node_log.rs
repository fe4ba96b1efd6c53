//! The logs of a cluster's nodes. A warning or an error that nobody expected fails the test that caused it.

use anyhow::Context as _;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The levels as the text and the JSON form of the log write them.
const LOUD: &[&str] = &[" WARN ", " ERROR ", "\"level\":\"WARN\"", "\"level\":\"ERROR\"", PANIC];

/// What no list can expect.
const PANIC: &str = "panicked at";

/// What nodes may say while a peer is dead, frozen or cut off. Each entry is a part of a line.
pub const PEER_LOSS: &[&str] = &[
    "peer",
    "replicat",
    "vote",
    "heartbeat",
    "election",
    "unreachable",
    "connect",
    "leader",
    "lease",
    "quorum",
];

/// What a node says of the machine it runs on, whatever the test does: a disk shared with other work measures slow.
const OF_THE_MACHINE: &[&str] = &["the disk is slow"];

/// Of how many last lines of each log a failed test keeps.
const KEPT_LINES: usize = 200;

/// Every loud line that contains none of the expected parts.
pub fn unlisted(folder: &Path, expected: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for log in logs(folder) {
        let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        for line in String::from_utf8_lossy(&text).lines() {
            let line = without_colours(line);
            let loud = LOUD.iter().any(|level| line.contains(level));
            let mut known = expected.iter().chain(OF_THE_MACHINE);
            let excused = !line.contains(PANIC) && known.any(|part| line.contains(part));
            if loud && !excused {
                found.push(format!(
                    "{}: {line}",
                    log.strip_prefix(folder).unwrap_or(&log).display()
                ));
            }
        }
    }
    Ok(found)
}

/// Copies the ends of the logs to where they outlive the test: `countersign-failed-PID` beside the test's folder.
pub fn keep(folder: &Path) {
    let place = std::env::temp_dir().join(format!("countersign-failed-{}", std::process::id()));
    if fs::create_dir_all(&place).is_err() {
        return;
    }
    writeln!(std::io::stderr(), "the nodes' logs are kept in {}", place.display()).ok();
    for log in logs(folder) {
        let Ok(text) = fs::read(&log) else { continue };
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let end =
            lines.get(lines.len().saturating_sub(KEPT_LINES)..).unwrap_or_default().join("\n");
        let name = log.strip_prefix(folder).unwrap_or(&log).to_string_lossy().replace('/', "-");
        drop(fs::write(place.join(name), end));
    }
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            // RocksDB's own are in the nodes' data folders.
            if path.is_dir() && !path.ends_with("data") {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "log") && is_text(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// RocksDB calls its write-ahead logs `000123.log`.
fn is_text(path: &Path) -> bool {
    path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.parse::<u64>().is_err())
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            // CSI … final letter
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loud_lines_that_nobody_expected_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/LOG.log"), " ERROR rocks").unwrap();
        fs::write(folder.path().join("000012.log"), " ERROR wal").unwrap();
        fs::write(
            folder.path().join("node.log"),
            "t  INFO a\nt \u{1b}[33m WARN\u{1b}[0m b: x\n{\"level\":\"ERROR\",\"m\":1}\nt  WARN peer gone\n\
             thread 'x' panicked at peer.rs\n",
        )
        .unwrap();
        let found = unlisted(folder.path(), &["peer"]).unwrap();
        assert_eq!(
            found,
            [
                "node.log: t  WARN b: x",
                "node.log: {\"level\":\"ERROR\",\"m\":1}",
                "node.log: thread 'x' panicked at peer.rs",
            ]
        );
    }
}
