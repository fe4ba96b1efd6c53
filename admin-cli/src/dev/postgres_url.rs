//! libpq's connection URLs (PostgreSQL documentation, "Connection URIs"), as far as a target needs them: one host or
//! socket directory, one port, a user, a password, a database, the file of the server's authority.

use crate::failure::Failure;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use std::path::PathBuf;

/// A PostgreSQL server and how to log in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresServer {
    /// As a Target writes it: `host:port` or `unix:/directory?port=5432`.
    pub(super) address: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    /// Authority of the server's certificate.
    pub(super) ca_file: Option<PathBuf>,
    /// Whether nothing of the connection leaves the machine, so that it may go without TLS.
    pub(super) local: bool,
}

/// Where a host is missing before `/`, the URL grammar needs something to stand there.
const NO_HOST: &str = "socket.invalid";

/// Reads a URL.
pub(super) fn read(text: &str) -> Result<PostgresServer, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("--postgres: {why}"))
            .hint("postgres://USER:PASSWORD@HOST:PORT/DATABASE, or postgres://USER@/DATABASE?host=/SOCKET/DIRECTORY")
    };
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
        .ok_or_else(|| wrong("the URL does not begin with postgres://"))?;
    let url = Url::parse(&format!("postgres://{}", with_host(rest)))
        .map_err(|error| wrong(&format!("not a URL: {error}")))?;
    let query = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let host = query("host")
        .or_else(|| url.host_str().filter(|host| *host != NO_HOST).map(decoded))
        .ok_or_else(|| wrong("it names no host"))?;
    let port = match query("port") {
        Some(port) => port.parse().map_err(|_| wrong("the port is not a number"))?,
        None => url.port().unwrap_or(5432),
    };
    let user = some(decoded(url.username()))
        .or_else(|| query("user"))
        .ok_or_else(|| wrong("it names no user"))?;
    let database = some(decoded(url.path().trim_start_matches('/'))).or_else(|| query("dbname"));
    let password = url.password().map(decoded).or_else(|| query("password"));
    let socket = host.starts_with('/');
    let loopback =
        host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    Ok(PostgresServer {
        address: if socket { format!("unix:{host}?port={port}") } else { format!("{host}:{port}") },
        database: database.unwrap_or_else(|| user.clone()),
        user,
        password: password.and_then(some),
        ca_file: query("sslrootcert").map(PathBuf::from),
        local: socket || loopback,
    })
}

/// `user@/database` is allowed by libpq and not by the grammar of URLs.
fn with_host(rest: &str) -> String {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || authority.ends_with('@') {
        format!("{authority}{NO_HOST}{path}")
    } else {
        rest.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_libpq_takes_them_are_understood() {
        let cases = [
            (
                "postgres://app:s%40crt@127.0.0.1:6432/orders",
                "127.0.0.1:6432",
                "app",
                Some("s@crt"),
                "orders",
                true,
            ),
            ("postgresql://app@db.example/orders", "db.example:5432", "app", None, "orders", false),
            (
                "postgres://app@/orders?host=/run/pg&port=7",
                "unix:/run/pg?port=7",
                "app",
                None,
                "orders",
                true,
            ),
            (
                "postgres:///orders?host=/run/pg&user=app&password=x",
                "unix:/run/pg?port=5432",
                "app",
                Some("x"),
                "orders",
                true,
            ),
            ("postgres://app@%2Frun%2Fpg:7", "unix:/run/pg?port=7", "app", None, "app", true),
            ("postgres://app@[::1]:7/orders", "[::1]:7", "app", None, "orders", true),
        ];
        for (url, address, user, password, database, local) in cases {
            let server = read(url).unwrap();
            assert_eq!(server.address, address, "{url}");
            assert_eq!(server.user, user, "{url}");
            assert_eq!(server.password.as_deref(), password, "{url}");
            assert_eq!(server.database, database, "{url}");
            assert_eq!(server.local, local, "{url}");
        }
    }

    #[test]
    fn urls_that_lack_what_a_target_needs_are_refused() {
        for url in [
            "mysql://a@b/c",
            "postgres://app@/orders",
            "postgres://127.0.0.1/orders",
            "postgres://a@b:x/c",
        ] {
            assert!(read(url).is_err(), "{url}");
        }
    }
}
