//! `cluster snapshot save`, `verify` and `restore`, and `cluster recover`. What is saved is proved as it arrives; what works on
//! a node's disk is the program `countersign` beside this one, which is called for it.

use crate::{
    cli::{Global, SnapshotCommand},
    connection,
    failure::Failure,
    files,
    output::{self, Terminal},
};
use anyhow::Context as _;
use countersign_api::{
    cluster::SnapshotRequest,
    snapshot_file::{SnapshotHead, SnapshotReader},
};
use std::{
    fs::File,
    io::{BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
};

/// Runs a command of `cluster snapshot`.
pub(super) async fn run(
    command: SnapshotCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Save { file, passphrase_file } => {
            let passphrase = passphrase(&passphrase_file)?;
            save(&file, &passphrase, global, terminal).await
        }
        SnapshotCommand::Verify { file, passphrase_file } => {
            let head = proved(&file, &passphrase(&passphrase_file)?)?;
            answer(&head, terminal)
        }
        SnapshotCommand::Restore { file, passphrase_file, config, confirm } => {
            let mut node = node_program("restore", &config, confirm.as_deref())?;
            node.arg("--snapshot").arg(file).arg("--passphrase-file").arg(passphrase_file);
            become_it(node)
        }
    }
}

/// Makes the stopped node of this configuration a cluster of its own.
pub(super) fn recover(config: &Path, confirm: Option<&str>) -> Result<(), Failure> {
    become_it(node_program("recover", config, confirm)?)
}

/// Saves under another name, proves what has come, and only then gives the file its name.
async fn save(
    file: &Path,
    passphrase: &str,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::failed(format!("{} is there already", file.display())));
    }
    let client = connection::client(global, terminal)?;
    let request = SnapshotRequest { passphrase: passphrase.to_owned() };
    let mut download = client.snapshot(&request).await?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", file.display());
    // tempfile makes files of mode 0600.
    let mut partial = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    while let Some(piece) = download.piece().await? {
        partial.write_all(&piece).with_context(cannot)?;
    }
    partial.as_file().sync_all().with_context(cannot)?;
    let head = proved(partial.path(), passphrase)?;
    partial.persist_noclobber(file).with_context(cannot)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(cannot)?;
    answer(&head, terminal)
}

/// What a file says of itself, once every frame of it was opened.
fn proved(file: &Path, passphrase: &str) -> Result<SnapshotHead, Failure> {
    let why = || format!("{} is no whole snapshot", file.display());
    let input = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let reader = SnapshotReader::new(BufReader::new(input)).with_context(why)?;
    let head = reader.head().clone();
    let (mut pieces, _key) = reader.open(passphrase.as_bytes()).with_context(why)?;
    while pieces.piece().with_context(why)?.is_some() {}
    Ok(head)
}

fn answer(head: &SnapshotHead, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.answer(head, |head, _| {
        output::pairs(&[
            ("cluster", format!("{} ({})", head.cluster_name, head.cluster_id)),
            ("epoch", head.epoch.to_string()),
            ("taken", format!("by node {} at {}", head.node, head.taken_at)),
            ("up to entry", head.index.to_string()),
            ("audit head", format!("{} {}", head.chain_sequence, head.chain_hash)),
        ])
    })
}

/// The passphrase in a file, without the end of its line.
fn passphrase(file: &Path) -> Result<String, Failure> {
    Ok(files::read_text(file)?.trim_ascii_end().to_owned())
}

/// The node's program, which lies beside this one or on the `PATH`.
fn node_program(verb: &str, config: &Path, confirm: Option<&str>) -> Result<Command, Failure> {
    let own = std::env::current_exe().context("where is this program?")?;
    let beside = own.with_file_name("countersign");
    let program = if beside.is_file() { beside } else { "countersign".into() };
    let mut command = Command::new(program);
    command.arg(verb).arg("--config").arg(config);
    if let Some(cluster) = confirm {
        command.arg("--confirm").arg(cluster);
    }
    Ok(command)
}

/// Ends as the other program ends.
fn become_it(mut command: Command) -> Result<(), Failure> {
    let error = command.exec();
    Err(Failure::failed(format!("cannot start {}: {error}", command.get_program().display())))
}
