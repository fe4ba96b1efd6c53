//! That the gateway is the only way, seen from the agents' side: no target answers this machine. A connection is opened and
//! nothing is said.

use super::{Finding, Findings, Verdict};
use crate::failure::Failure;
use countersign_api::{
    Client,
    page::Paging,
    resource::{Kind, Resource},
};
use futures::future::join_all;
use std::{io, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// The port of a PostgreSQL target that names none.
const POSTGRES_PORT: u16 = 5432;
/// How long an answer is waited for.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What came of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// It was accepted.
    Answers,
    /// Somebody said no.
    Refuses,
    /// Nobody said anything.
    Silent,
    /// The name leads nowhere.
    Unknown,
}

/// Tries the addresses of every target, and these.
pub(super) async fn look(
    client: &Client,
    further: &[String],
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let mut addresses: Vec<(String, String)> =
        further.iter().map(|address| (address.clone(), address.clone())).collect();
    let mut paging = Paging::default();
    loop {
        let page = client.resources_of(Kind::Target, &paging).await?.body;
        addresses.extend(page.items.iter().map(|target| {
            (format!("target {}", target.name), address(target).unwrap_or_default())
        }));
        match page.next {
            Some(next) => paging.cursor = Some(next),
            None => break,
        }
    }
    let tries = addresses.into_iter().map(|(of, address)| async move {
        let found = match usable(&address) {
            Some(usable) => told(&address, reply(&usable).await),
            None => (Verdict::Warning, format!("`{address}` is no address that can be tried")),
        };
        (of, found)
    });
    for (of, found) in join_all(tries).await {
        Findings { of, all: findings }.add("not reachable", found);
    }
    Ok(())
}

/// The address in a target's definition, whatever its protocol.
fn address(target: &Resource) -> Option<String> {
    let bodies = target.spec.as_object()?.iter();
    let mut found = bodies.filter_map(|(protocol, body)| {
        let address = body.get("address")?.as_str()?;
        // The only protocol whose targets need not say their port.
        let bare = protocol == "postgres" && usable(address).is_none();
        let whole = format!("{address}:{POSTGRES_PORT}");
        Some(if bare && usable(&whole).is_some() { whole } else { address.to_owned() })
    });
    found.next()
}

/// `host:port` of an address; a target without a port has its protocol's.
pub(super) fn usable(address: &str) -> Option<String> {
    let plain = address.strip_prefix("https://").unwrap_or(address).trim_end_matches('/');
    if plain.is_empty() || plain.starts_with("unix:") || plain.contains('/') {
        return None;
    }
    let (host, port) = plain.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|port| *port > 0 && !host.is_empty())?;
    Some(plain.to_owned())
}

/// What an address answers.
pub(super) async fn reply(address: &str) -> Reply {
    match timeout(ANSWERS_WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(_connection)) => Reply::Answers,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Reply::Refuses,
        Ok(Err(error)) if error.raw_os_error().is_none() => Reply::Unknown,
        Ok(Err(_)) | Err(_) => Reply::Silent,
    }
}

pub(super) fn told(address: &str, reply: Reply) -> (Verdict, String) {
    match reply {
        Reply::Answers => {
            (Verdict::Bad, format!("{address} ANSWERS: agents here can go around the gateway"))
        }
        Reply::Refuses => (
            Verdict::Warning,
            format!("{address} is refused: by a packet filter that is well, by the host it is not"),
        ),
        Reply::Silent => (Verdict::Good, format!("{address} does not answer this machine")),
        Reply::Unknown => (Verdict::Good, format!("{address} has a name that is not known here")),
    }
}
