//! Archives: a directory of exports that follow each other, each compressed (zstd) and signed by itself. A file is written
//! beside its place, synced, read back and proved, and only then given its name.

use super::{chain_file, source};
use crate::{
    failure::Failure,
    output::{self, Terminal},
};
use anyhow::Context as _;
use countersign_api::{
    Client,
    audit::{
        ExportRequest, ExportTerms,
        export::{Form, Known, Proof, Reading, prove},
    },
};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

/// The most events of a file.
const EVENTS_A_FILE: u64 = 100_000;
/// How the files begin and end.
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl.zst";

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    #[serde(flatten)]
    proof: Proof,
}

/// Writes the part of the chain that is asked for into a directory.
pub(super) async fn export(
    client: &Client,
    request: &ExportRequest,
    (form, folder): (Form, &Path),
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut terms = client.export_audit(request).await?.body;
    // What is exported is settled now: the exports themselves leave events behind.
    let last = terms.end.sequence;
    let mut written = Vec::new();
    loop {
        if terms.end.sequence > terms.after + EVENTS_A_FILE {
            terms = part(client, terms.after, terms.after + EVENTS_A_FILE).await?;
        }
        let after = terms.end.sequence;
        written.push(file(client, terms, (form, folder)).await?);
        if after >= last {
            break;
        }
        terms = part(client, after, last.min(after + EVENTS_A_FILE)).await?;
    }
    terminal.answer(&written, |written, _| {
        let rows = written.iter().map(|Written { file, proof }| {
            [file.display().to_string(), proof.events.to_string(), proof.hash.clone()]
        });
        output::table(["file", "events", "head"], rows)
    })
}

async fn part(client: &Client, after: u64, through: u64) -> Result<ExportTerms, Failure> {
    let request =
        ExportRequest { after: Some(after), through: Some(through), ..ExportRequest::default() };
    Ok(client.export_audit(&request).await?.body)
}

async fn file(
    client: &Client,
    terms: ExportTerms,
    (form, folder): (Form, &Path),
) -> Result<Written, Failure> {
    let (first, last) = (terms.after + 1, terms.end.sequence);
    let path = folder.join(format!("{PREFIX}{first:015}-{last:015}{SUFFIX}"));
    let mut beside = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let wrong = || format!("cannot write {}", path.display());
    let mut packed = zstd::Encoder::new(beside.as_file_mut(), zstd::DEFAULT_COMPRESSION_LEVEL)
        .with_context(wrong)?;
    chain_file::lines(client, terms, |line| {
        let text = line.text_as(form).context("cannot write JSON")?;
        writeln!(packed, "{text}").with_context(wrong)?;
        Ok(())
    })
    .await?;
    packed.finish().with_context(wrong)?;
    beside.as_file().sync_all().with_context(wrong)?;
    let proof = proof_of(beside.path())?;
    beside.persist(&path).with_context(wrong)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(wrong)?;
    Ok(Written { file: path, proof })
}

/// A file is kept only as it can be read again.
fn proof_of(path: &Path) -> Result<Proof, Failure> {
    let bytes = source::open(path)?;
    match prove(bytes, Reading::new(Known::default()), drop) {
        Ok((proof, _)) => Ok(proof),
        Err(why) => Err(Failure::failed(format!("what was written does not hold: {why}"))),
    }
}
