//! Carrying one connection over a link: two directions, each of which a cut can stop.

use super::{super::state::Link, Cuts};
use std::{io, net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

/// Bytes carried at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long a connection stays stopped before it is given up, as TCP gives up on a peer that does not acknowledge.
const GIVE_UP_AFTER: Duration = Duration::from_mins(2);

/// Carries `near`, which node `link.from` opened, to node `link.to`, until an end closes or a cut lasts too long.
pub(super) async fn carry(
    near: TcpStream,
    link: Link,
    cuts: watch::Receiver<Cuts>,
) -> io::Result<()> {
    let there = (link.from, link.to);
    let back = (link.to, link.from);
    // Opening a connection takes both directions (RFC 9293, section 3.5).
    open(cuts.clone(), there).await?;
    open(cuts.clone(), back).await?;
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, link.connect)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(
        direction(near_read, far_write, cuts.clone(), there),
        direction(far_read, near_write, cuts, back),
    )?;
    Ok(())
}

async fn direction(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    cuts: watch::Receiver<Cuts>,
    way: (u64, u64),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        // The end of a stream is a packet too: a cut stops it like any other.
        open(cuts.clone(), way).await?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        to.write_all(bytes).await?;
    }
}

/// Waits until a direction is open.
async fn open(mut cuts: watch::Receiver<Cuts>, way: (u64, u64)) -> io::Result<()> {
    match timeout(GIVE_UP_AFTER, cuts.wait_for(|cuts| !cuts.contains(&way))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(io::ErrorKind::ConnectionAborted.into()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
