//! Free ports of loopback. All are held open until the last is known, so that none is given twice.

use anyhow::Context as _;
use std::net::{Ipv4Addr, TcpListener};

/// So many ports that nothing listens on now. Another program may take one before it is used; its process then says so.
pub(super) fn free(count: usize) -> anyhow::Result<Vec<u16>> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("there is no free port on 127.0.0.1")?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
