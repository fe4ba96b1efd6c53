//! The links between nodes: for each ordered pair of nodes a port of loopback whose connections end at the other node.
//! A cut stops the bytes of one direction where they are, as a network that drops packets does: connections stay open,
//! and what was on its way arrives when the cut is healed, unless somebody gave up meanwhile.

mod pump;

use super::{
    control,
    directory::Directory,
    process::{self, Running},
    state::{Link, State},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet, ffi::OsStr, fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _,
    sync::Arc,
};
use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    time::timeout,
};

/// Connections of all links at once. Nodes keep few and long ones.
const MAX_CONNECTIONS: usize = 1024;

/// What nodes send to others and what does not arrive: (sender, receiver).
pub(super) type Cuts = BTreeSet<(u64, u64)>;

/// What the links process can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    /// Which directions are cut.
    Show,
    /// Cut exactly these.
    Set(Cuts),
}

/// Starts the process that hosts the links.
pub(super) fn start(directory: &Directory) -> anyhow::Result<Running> {
    let path = directory.path().as_os_str();
    let arguments = [OsStr::new("dev"), OsStr::new("--dir"), path, OsStr::new("links")];
    process::spawn(directory, "links", "countersignctl", arguments)
}

/// Which directions are cut.
pub(super) async fn show(directory: &Directory) -> anyhow::Result<Cuts> {
    control::ask(&directory.links_socket(), &Question::Show).await
}

/// Cuts exactly these directions.
pub(super) async fn set(directory: &Directory, cuts: Cuts) -> anyhow::Result<Cuts> {
    control::ask(&directory.links_socket(), &Question::Set(cuts)).await
}

/// Hosts the links of the remembered state until SIGTERM.
pub(super) async fn host(directory: &Directory) -> anyhow::Result<()> {
    let state = State::load(directory)?;
    let (cuts, watched) = watch::channel(Cuts::new());
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    for link in state.links {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, link.listen))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{}", link.listen))?;
        tokio::spawn(accept(listener, link, watched.clone(), Arc::clone(&places)));
    }
    let socket = directory.links_socket();
    if socket.exists() {
        fs::remove_file(&socket)?;
    }
    let control = UnixListener::bind(&socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = answer(control, cuts) => ended,
        _ = terminated.recv() => Ok(()),
    }
}

async fn accept(
    listener: TcpListener,
    link: Link,
    cuts: watch::Receiver<Cuts>,
    places: Arc<Semaphore>,
) {
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // A failed accept is the dialling node's to repeat.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let cuts = cuts.clone();
        tokio::spawn(async move {
            // How a connection ends is the business of its two ends.
            drop(pump::carry(stream, link, cuts).await);
            drop(place);
        });
    }
}

async fn answer(control: UnixListener, cuts: watch::Sender<Cuts>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = control.accept().await.context("cannot accept on the control socket")?;
        // Who asks badly gets no answer.
        drop(timeout(control::EXCHANGE_DEADLINE, exchange(stream, &cuts)).await);
    }
}

async fn exchange(stream: UnixStream, cuts: &watch::Sender<Cuts>) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    match control::read_line(read).await? {
        Question::Show => {}
        Question::Set(wanted) => drop(cuts.send_replace(wanted)),
    }
    let now = cuts.borrow().clone();
    control::write_line(&mut write, &now).await
}

#[cfg(test)]
mod tests;
