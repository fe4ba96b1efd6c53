//! How long this disk takes to make a small write durable: measured once at start, because election time-outs that are
//! shorter than a few syncs make a cluster that elects instead of working.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

/// How many syncs are tried.
const TRIES: usize = 60;
/// A disk so slow that this passes has shown enough.
const LONGEST: Duration = Duration::from_secs(2);
/// What is written each time: one page.
const WRITE: [u8; 4096] = [0x5a; 4096];

/// The 99th percentile of writing and syncing one page in `folder`.
pub(crate) fn sync_p99(folder: &Path) -> io::Result<Duration> {
    let path = folder.join("measure").with_extension(crate::durable_file::PARTIAL);
    let file = File::create(&path)?;
    let begin = Instant::now();
    let mut times = Vec::with_capacity(TRIES);
    while times.len() < TRIES && begin.elapsed() < LONGEST {
        let start = Instant::now();
        file.write_all_at(&WRITE, 0)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    Ok(p99(times))
}

/// The 99th percentile; nothing measured is nothing.
pub(crate) fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let place = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}
