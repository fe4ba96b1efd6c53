//! How fast an export is proved, and in how much memory: `cargo run --example audit_speed -p countersign-api [EVENTS]`.
//! It writes an export of so many events (1,000,000) to a temporary file, proves it from there as `audit verify` does, and
//! prints events a second and the most memory that the process has had.

#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the chains of the tests; where one cannot be made there is nothing to measure"
)]
#[path = "../tests/export/chain.rs"]
mod chain;

use countersign_api::audit::export::{Known, Reading, prove};
use std::{
    error::Error,
    fs::{self, File},
    io::{BufReader, BufWriter, Write as _},
    path::Path,
};
use tokio::time::Instant;

/// A checkpoint every so many events, as nodes make them.
const CHECKPOINT_EVERY: u64 = 1_000;

/// Kilobytes of memory: now, and at most so far.
fn memory() -> Result<[u64; 2], Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).ok_or("no such line")
    };
    Ok([line("VmRSS:")?, line("VmHWM:")?])
}

fn write(path: &Path, export: chain::Export) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    for line in export {
        writeln!(file, "{}", line.text()?)?;
    }
    Ok(file.flush()?)
}

fn say(what: std::fmt::Arguments<'_>) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(std::io::stdout(), "{what}")?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let events: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let path = std::env::temp_dir().join(format!("audit-speed-{}.jsonl", std::process::id()));
    let export = chain::Export::new(1, events, CHECKPOINT_EVERY);
    let key = export.keys.first().map(chain::Signer::key);
    write(&path, export)?;
    let size = fs::metadata(&path)?.len();
    say(format_args!("export: {events} events, {} MB", size / 1_000_000))?;
    let begun = Instant::now();
    let [before, _] = memory()?;
    let proved = File::open(&path).map_err(Into::into).and_then(|file| {
        Ok::<_, Box<dyn Error>>(prove(
            BufReader::new(file),
            Reading::new(Known { key, head: None }),
            drop,
        )?)
    });
    let took = begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    let (proof, _) = proved?;
    let [after, most] = memory()?;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let speed = proof.events as f64 / took;
    say(format_args!(
        "proved: {} events, {} checkpoints in {took:.1} s: {speed:.0} events a second, on one core",
        proof.events, proof.checkpoints
    ))?;
    say(format_args!("memory: {before} kB before, {after} kB after, {most} kB at most"))
}
