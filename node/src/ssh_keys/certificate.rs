//! Certificates for agents' keys, and for the key of a session towards a target (OpenSSH's PROTOCOL.certkeys).
//!
//! An agent's certificate names its credential; what it adds are limits: for which logins it counts (principals) and from
//! where (`source-address`). It has no extensions, because what may be done in a session is policy's business.

use super::{SshKeyError, in_use, open};
use crate::cluster::ClusterKey;
use countersign_core::id::CredentialId;
use countersign_raft_store::{handle::StateView, records::SshRole, reply::CredentialLife};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use ssh_key::{
    Algorithm, PublicKey,
    certificate::{Builder, CertType},
};
use std::{net::IpAddr, time::Duration};

/// How far before its issue a certificate counts: the clocks of the nodes differ.
const BACKDATED: Duration = Duration::from_mins(1);
/// The most principals of a certificate, and bytes of one.
const MAX_PRINCIPALS: usize = 64;
const MAX_PRINCIPAL: usize = 256;
/// The most networks that a certificate is limited to.
const MAX_NETWORKS: usize = 64;
/// The principal of a certificate that counts for every login. No sshd has a user of that name.
const EVERYTHING: &str = "*";
/// The one critical option that is understood.
pub(crate) const SOURCE_ADDRESS: &str = "source-address";

/// A public key that an agent wants a certificate for.
#[derive(Debug, Clone)]
pub(crate) struct AgentKey(PublicKey);

impl AgentKey {
    /// Reads a line as `ssh-keygen` writes it into a `.pub` file.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let key = PublicKey::from_openssh(line.trim()).ok()?;
        // Keys in hardware sign in ways of their own, certificates are no keys, and DSA is broken.
        let strong = match key.key_data().rsa() {
            Some(rsa) => is_long(rsa),
            None => matches!(key.algorithm(), Algorithm::Ed25519 | Algorithm::Ecdsa { .. }),
        };
        strong.then_some(Self(key))
    }

    /// SHA-256 of the key as it is sent.
    pub(crate) fn sha256(&self) -> Result<[u8; 32], SshKeyError> {
        Ok(Sha256::digest(self.0.to_bytes()?).into())
    }
}

/// At least 2048 bits (NIST SP 800-131A).
fn is_long(key: &ssh_key::public::RsaPublicKey) -> bool {
    key.key_size() >= 2048
}

/// What a certificate is limited to.
#[derive(Debug, Clone)]
pub(crate) struct AgentTerms {
    principals: Vec<String>,
    networks: Option<SourceList>,
}

impl AgentTerms {
    /// Reads limits: logins as `LOGIN@TARGET` or `*@TARGET`, or none for all; networks, or none for everywhere.
    pub(crate) fn read(principals: &[&str], networks: Option<&str>) -> Option<Self> {
        let principals: Vec<String> = match principals {
            [] => vec![EVERYTHING.to_owned()],
            named => named.iter().copied().map(str::to_owned).collect(),
        };
        let fits = principals.len() <= MAX_PRINCIPALS
            && principals.iter().all(|one| one == EVERYTHING || is_principal(one));
        let networks = networks.map(SourceList::read).map_or(Some(None), |read| read.map(Some))?;
        fits.then_some(Self { principals, networks })
    }

    /// The certificate of a credential that is in the state, as a line.
    pub(crate) fn sign(
        &self,
        (view, key, now_ms): (&StateView, &ClusterKey, u64),
        bearer: &AgentKey,
        id: CredentialId,
        life: CredentialLife,
    ) -> Result<String, SshKeyError> {
        let role = SshRole::AgentAuthority;
        let cluster = view.cluster()?.ok_or(SshKeyError::Missing(role))?;
        let authority = open(&in_use(view, role, now_ms)?, key, &cluster.id)?;
        let issued = (life.issued_at.0 / 1000).saturating_sub(BACKDATED.as_secs());
        let ends = life.expires_at.0 / 1000;
        let nonce: [u8; 32] = rand::random();
        let public = bearer.0.key_data().clone();
        let mut builder = Builder::new(nonce, public, issued, ends.max(issued))?;
        builder.cert_type(CertType::User)?.key_id(id.to_string())?;
        for principal in &self.principals {
            builder.valid_principal(principal.as_str())?;
        }
        if let Some(networks) = &self.networks {
            builder.critical_option(SOURCE_ADDRESS, networks.text())?;
        }
        Ok(builder.sign(&authority)?.to_openssh()?)
    }
}

/// Whether a certificate with this principal counts for a user name as SSH clients send it.
pub(crate) fn counts_for(principal: &str, user: &str) -> bool {
    if principal == EVERYTHING {
        return true;
    }
    if !is_principal(principal) {
        return false;
    }
    match principal.strip_prefix("*@") {
        Some(target) => user.rsplit_once('@').is_some_and(|(_, named)| named == target),
        None => principal == user,
    }
}

/// `LOGIN@TARGET` or `*@TARGET`: never a name that an sshd could have a user of, should one trust the authority.
fn is_principal(text: &str) -> bool {
    let plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.chars().all(known)
    };
    text.len() <= MAX_PRINCIPAL
        && text
            .split_once('@')
            .is_some_and(|(login, target)| (login == EVERYTHING || plain(login)) && plain(target))
}

/// Networks as `source-address` has them: addresses and networks with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceList(Vec<IpNet>);

impl SourceList {
    /// Reads a list; one that is empty would let in nobody.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let one = |part: &str| {
            let part = part.trim();
            part.parse().ok().or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from))
        };
        let networks: Vec<IpNet> = text.split(',').map(one).collect::<Option<_>>()?;
        (networks.len() <= MAX_NETWORKS).then_some(Self(networks))
    }

    /// Whether an address is in it.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    fn text(&self) -> String {
        let networks: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        networks.join(",")
    }
}
