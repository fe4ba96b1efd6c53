//! Free ports of loopback, outside the range from which the kernel takes the ports of outgoing connections: a port in that
//! range may be taken between the look and the start of whoever is to listen there.

use anyhow::{Context as _, bail};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

/// The lowest port that is given.
const FIRST: u16 = 15_000;
/// Where the kernel's range begins when it does not say (Linux's default).
const USUAL_EPHEMERAL: u16 = 32_768;
/// How many ports are tried for each that is wanted.
const TRIES_A_PORT: usize = 100;

/// So many ports that nothing listens on now. All are held open until the last is known, so that none is given twice.
pub(super) fn free(count: usize) -> anyhow::Result<Vec<u16>> {
    let end = ephemeral_begin();
    let mut held = Vec::new();
    for _ in 0..count * TRIES_A_PORT {
        if held.len() == count {
            break;
        }
        let port = if end > FIRST { rand::random_range(FIRST..end) } else { 0 };
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
        }
    }
    if held.len() < count {
        bail!("there are no {count} free ports on 127.0.0.1");
    }
    held.iter()
        .map(|listener| Ok(listener.local_addr().context("a port cannot be told")?.port()))
        .collect()
}

/// Where the range of outgoing connections begins (ip-sysctl: `ip_local_port_range`).
fn ephemeral_begin() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    text.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(USUAL_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once_and_outside_the_range_of_outgoing_connections() {
        let mut ports = free(30).unwrap();
        assert!(ephemeral_begin() <= FIRST || ports.iter().all(|port| *port < ephemeral_begin()));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 30);
    }
}
