//! One question, one answer, each a JSON document on a line, over a unix socket that only its owner may open.

use anyhow::{Context as _, bail};
use serde::{Serialize, de::DeserializeOwned};
use std::{path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

/// Longest question and longest answer.
pub(super) const MAX_LINE_BYTES: u64 = 64 * 1024;
/// How long one exchange may take.
pub(super) const EXCHANGE_DEADLINE: Duration = Duration::from_secs(10);

/// Asks the process that listens at `socket`.
pub(super) async fn ask<A: DeserializeOwned>(
    socket: &Path,
    question: &impl Serialize,
) -> anyhow::Result<A> {
    let exchange = async {
        let stream = UnixStream::connect(socket).await?;
        let (read, mut write) = stream.into_split();
        write_line(&mut write, question).await?;
        read_line(read).await
    };
    match timeout(EXCHANGE_DEADLINE, exchange).await {
        Ok(answer) => answer.with_context(|| format!("cannot ask at {}", socket.display())),
        Err(_) => bail!("no answer at {}", socket.display()),
    }
}

/// Reads one document.
pub(super) async fn read_line<T: DeserializeOwned>(
    from: impl tokio::io::AsyncRead + Unpin,
) -> anyhow::Result<T> {
    let mut line = String::new();
    BufReader::new(from.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
    serde_json::from_str(&line).context("not an expected document")
}

/// Writes one document.
pub(super) async fn write_line(
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    document: &impl Serialize,
) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(document)?;
    line.push('\n');
    to.write_all(line.as_bytes()).await?;
    Ok(())
}
