//! Target: an SSH server.

use super::{Invalid, SecretReference, target::host_and_port};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The longest login, in bytes (`LOGIN_NAME_MAX` of Linux).
const MAX_LOGIN: usize = 256;
/// The port that an address without one means.
const SSH_PORT: u16 = 22;

/// An SSH server as agents reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshTarget {
    /// `host:port`, or `host` for port 22.
    pub address: String,
    /// The server's own keys, each a line as in `ssh_host_ed25519_key.pub`. No other key is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<String>,
    /// Authorities whose host certificates are believed, each a line as in a `.pub` file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_authorities: Vec<String>,
    /// The principal that a host certificate must have; the host of the address when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The roles that agents may name, each with the login it means.
    pub roles: BTreeMap<String, SshRole>,
}

/// A role of an SSH target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshRole {
    /// The login at the server.
    pub user: String,
    /// A reference to the private key, in OpenSSH's format: `file:/path` or `env:NAME`. Without one, each connection has a key of
    /// its own and a certificate for `user` by the cluster's authority of sessions, which the server trusts
    /// (`TrustedUserCAKeys`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A reference to a certificate for that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whether an agent that names itself gets this role.
    #[serde(default)]
    pub default: bool,
}

impl SshTarget {
    /// The host and the port; `None` when the address is none.
    pub fn address(&self) -> Option<(String, u16)> {
        let with_port = self.address.rsplit_once(':').is_some_and(|(host, _)| {
            !host.contains(':') || (host.starts_with('[') && host.ends_with(']'))
        });
        if with_port {
            host_and_port(&self.address)
        } else {
            host_and_port(&format!("{}:{SSH_PORT}", self.address))
        }
    }

    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        if self.address().is_none() {
            found.push(Invalid::at("/ssh/address", "an address is host:port or [ipv6]:port"));
        }
        if self.host_keys.is_empty() && self.host_authorities.is_empty() {
            let message =
                "name the server's keys, or who certifies them: no key is believed unseen";
            found.push(Invalid::at("/ssh/host_keys", message));
        }
        for (name, lines) in
            [("host_keys", &self.host_keys), ("host_authorities", &self.host_authorities)]
        {
            for (place, line) in lines.iter().enumerate() {
                if !is_public_key(line) {
                    let at = format!("/ssh/{name}/{place}");
                    found.push(Invalid::at(at, "a key is a line as in `ssh_host_ed25519_key.pub`"));
                }
            }
        }
        if self.roles.is_empty() {
            found.push(Invalid::at("/ssh/roles", "define at least one role"));
        }
        if self.roles.values().filter(|role| role.default).count() > 1 {
            found.push(Invalid::at("/ssh/roles", "only one role can be the default"));
        }
        for (name, role) in &self.roles {
            check_role(name, role, found);
        }
    }
}

fn check_role(name: &str, role: &SshRole, found: &mut Vec<Invalid>) {
    let at = format!("/ssh/roles/{}", name.replace('~', "~0").replace('/', "~1"));
    for (part, login) in [("", name), ("/user", role.user.as_str())] {
        if login.is_empty() || login.len() > MAX_LOGIN || login.contains(char::is_control) {
            let message = format!("a login has 1 to {MAX_LOGIN} bytes and no control characters");
            found.push(Invalid::at(format!("{at}{part}"), message));
        }
    }
    if role.key.is_none() && role.certificate.is_some() {
        found.push(Invalid::at(format!("{at}/certificate"), "a certificate is for a `key`"));
    }
    let references = [("key", role.key.as_deref()), ("certificate", role.certificate.as_deref())];
    for (part, reference) in references {
        if let Some(Err(error)) = reference.map(str::parse::<SecretReference>) {
            found.push(Invalid::at(format!("{at}/{part}"), error.to_string()));
        }
    }
}

/// Whether it is a line of a `.pub` file: an algorithm, and a key in base64 that begins with the same name (RFC 4253, 6.6).
fn is_public_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (Some(kind), Some(key)) = (words.next(), words.next()) else { return false };
    let Ok(key) = STANDARD.decode(key) else { return false };
    let length = u32::try_from(kind.len()).map(u32::to_be_bytes);
    length.is_ok_and(|length| {
        key.strip_prefix(&length).is_some_and(|key| key.starts_with(kind.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBXpvmJDjQX5bcWZFnPpcUuNrSCkQFhEYuzXKOTC6vZk root@web1";

    fn target() -> SshTarget {
        let role = SshRole {
            user: "deploy".to_owned(),
            key: Some("file:/etc/countersign/deploy".to_owned()),
            certificate: None,
            default: true,
        };
        SshTarget {
            address: "web1.example.com".to_owned(),
            host_keys: vec![KEY.to_owned()],
            host_authorities: Vec::new(),
            host_name: None,
            roles: BTreeMap::from([("deploy".to_owned(), role)]),
        }
    }

    fn faults(change: impl FnOnce(&mut SshTarget)) -> Vec<String> {
        let mut target = target();
        change(&mut target);
        let mut found = Vec::new();
        target.check(&mut found);
        found.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn an_address_without_a_port_means_22() {
        let of = |address: &str| SshTarget { address: address.to_owned(), ..target() }.address();
        assert_eq!(of("web1"), Some(("web1".to_owned(), 22)));
        assert_eq!(of("web1:2222"), Some(("web1".to_owned(), 2222)));
        assert_eq!(of("[::1]:2222"), Some(("::1".to_owned(), 2222)));
        for none in ["", ":22", "web1:", "web1:0", "a b", "web1:22:33"] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        assert_eq!(faults(|_| ()), [""; 0]);
        assert_eq!(faults(|target| target.host_keys.clear()), ["/spec/ssh/host_keys"]);
        for line in ["", "ssh-ed25519", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBXp", "AAAA ssh-ed25519"]
        {
            let found = faults(|target| target.host_keys.push(line.to_owned()));
            assert_eq!(found, ["/spec/ssh/host_keys/1"], "{line}");
        }
        let role = |target: &mut SshTarget| target.roles.remove("deploy").unwrap();
        assert_eq!(faults(|target| drop(role(target))), ["/spec/ssh/roles"]);
        let secret = |target: &mut SshTarget| {
            let key = Some("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned());
            let changed = SshRole { key, ..role(target) };
            target.roles.insert("deploy".to_owned(), changed);
        };
        assert_eq!(faults(secret), ["/spec/ssh/roles/deploy/key"]);
        let keyless = |certificate: Option<&str>| {
            let certificate = certificate.map(str::to_owned);
            faults(|target| {
                let changed = SshRole { key: None, certificate, ..role(target) };
                target.roles.insert("deploy".to_owned(), changed);
            })
        };
        assert_eq!(keyless(None), [""; 0]);
        assert_eq!(keyless(Some("file:/x")), ["/spec/ssh/roles/deploy/certificate"]);
    }
}
