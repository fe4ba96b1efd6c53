//! What the cluster's keys for SSH give, checked by OpenSSH where it says more than we do.

use super::*;
use crate::gate::tests::world::{NOW_MS, World, author, cluster_key};
use countersign_core::{id::CredentialId, log_time::LogTime};
use countersign_raft_store::{command::RotateSshKey, handle::ProposeError, reply::CredentialLife};
use countersign_ssh::HostKey;
use ssh_key::Certificate;
use std::collections::BTreeSet;

const HOUR: u64 = 60 * 60 * 1000;

impl World {
    async fn rotate(
        &self,
        role: SshRole,
        number: u64,
        overlap_ms: u64,
    ) -> Result<(), ProposeError> {
        let key = draw(&cluster_key(), &[1; 16], role).unwrap();
        let command = RotateSshKey { number, key, overlap_ms, author: author() };
        self.store.rotate_ssh_key(command).await.map(drop)
    }

    fn shown(&self, names: &[&str], now_ms: u64) -> Vec<HostKey> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        host_keys(&self.view(), &cluster_key(), &names, now_ms).unwrap()
    }
}

fn of(host: &HostKey) -> PublicKey {
    PrivateKey::from_openssh(host.key.expose()).unwrap().public_key().clone()
}

#[tokio::test(start_paused = true)]
async fn the_host_key_comes_with_the_cluster_and_has_a_certificate_for_its_names() {
    let world = World::new().await;
    let [host] = world.shown(&["gate.example", "10.0.0.1"], NOW_MS).try_into().unwrap();
    assert_eq!(of(&host).key_data(), of(&world.shown(&[], NOW_MS)[0]).key_data());
    let certificate = Certificate::from_openssh(&host.certificate.unwrap()).unwrap();
    assert!(certificate.cert_type().is_host());
    let names: BTreeSet<&str> = certificate.valid_principals().iter().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["gate.example", "10.0.0.1"]));
    let authority = in_use(&world.view(), SshRole::HostAuthority, NOW_MS).unwrap();
    let authority = public(&authority).fingerprint(HashAlg::Sha256);
    certificate.validate_at(NOW_MS / 1000, [&authority]).unwrap();
    certificate.validate_at(NOW_MS / 1000 + 25 * 3600, [&authority]).unwrap_err();
    // A certificate without names would count for every host.
    assert!(world.shown(&[], NOW_MS)[0].certificate.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_new_host_key_is_shown_before_it_is_used() {
    let world = World::new().await;
    let before = of(&world.shown(&[], NOW_MS)[0]);
    world.rotate(SshRole::Host, 2, HOUR).await.unwrap();
    let [used, next] = world.shown(&[], NOW_MS).try_into().unwrap();
    assert_eq!(of(&used), before);
    assert_ne!(of(&next), before);
    let [after] = world.shown(&[], NOW_MS + HOUR).try_into().unwrap();
    assert_eq!(of(&after), of(&next));
    // Not two at a time, nor one that is not the next.
    for number in [1, 2, 3, 4] {
        world.rotate(SshRole::Host, number, 0).await.unwrap_err();
    }
    world.rotate(SshRole::AgentAuthority, 2, 0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_open_is_not_used() {
    let world = World::new().await;
    let stranger = ClusterKey::of(&[9; 32]).unwrap();
    let refused = host_keys(&world.view(), &stranger, &[], NOW_MS);
    assert!(matches!(refused, Err(SshKeyError::Sealed(_))), "{refused:?}");
    // Sealed for one role, it opens in no other's place.
    let mut record = in_use(&world.view(), SshRole::AgentAuthority, NOW_MS).unwrap();
    open(&record, &cluster_key(), &[1; 16]).unwrap();
    record.key.role = SshRole::SessionAuthority;
    open(&record, &cluster_key(), &[1; 16]).unwrap_err();
}

#[test]
fn principals_are_logins_at_targets_and_nothing_that_an_sshd_has() {
    for (principal, user, counts) in [
        ("*", "root@web", true),
        ("*", "web", true),
        ("*@web", "root@web", true),
        ("*@web", "root@web2", false),
        ("*@web", "web", false),
        ("root@web", "root@web", true),
        ("root@web", "app@web", false),
        ("root@web", "ROOT@web", false),
        ("root@web,app@web", "app@web", false),
        ("root", "root", false),
        ("", "", false),
        ("root@", "root@", false),
        ("a@b@web", "a@b@web", false),
    ] {
        assert_eq!(certificate::counts_for(principal, user), counts, "{principal} for {user}");
    }
    for wrong in ["root", "root,app@web", "a b@web", "root@*", "*@*", "", "\u{430}@web"] {
        assert!(AgentTerms::read(&[wrong], None).is_none(), "{wrong}");
    }
    for wrong in ["", "10.0.0.0/8,", "10.0.0.0/33", "!10.0.0.1", "everywhere"] {
        assert!(AgentTerms::read(&[], Some(wrong)).is_none(), "{wrong}");
    }
    let list = SourceList::read("10.0.0.0/8, 2001:db8::1").unwrap();
    assert!(list.has("10.2.3.4".parse().unwrap()));
    assert!(list.has("::ffff:10.2.3.4".parse().unwrap()));
    assert!(!list.has("2001:db8::2".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn openssh_reads_an_agents_certificate_as_it_is_meant() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(at("id"))
        .status();
    assert!(made.unwrap().success());
    let bearer = AgentKey::read(&std::fs::read_to_string(at("id.pub")).unwrap()).unwrap();
    let id = CredentialId::from_bytes([6; 16]);
    let life = CredentialLife { issued_at: LogTime(NOW_MS), expires_at: LogTime(NOW_MS + HOUR) };
    let terms = AgentTerms::read(&["root@web"], Some("10.0.0.0/8")).unwrap();
    let signing = (&world.view(), &cluster_key(), NOW_MS);
    std::fs::write(at("id-cert.pub"), terms.sign(signing, &bearer, id, life).unwrap()).unwrap();
    let shown = std::process::Command::new("ssh-keygen").arg("-Lf").arg(at("id-cert.pub")).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let id = id.to_string();
    for line in [
        "ssh-ed25519-cert-v01@openssh.com user certificate",
        &id,
        "root@web",
        "source-address 10.0.0.0/8",
        "Extensions: (none)",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_gets_a_key_and_a_certificate_that_count_for_one_login_and_a_moment() {
    let world = World::new().await;
    let id = countersign_core::id::SessionId::from_bytes([5; 16]);
    let pass = || session::pass(&world.view(), &cluster_key(), ("deploy", id), NOW_MS).unwrap();
    let (one, other) = (pass(), pass());
    assert_ne!(one.key.expose(), other.key.expose(), "each connection has its own");
    let key = PrivateKey::from_openssh(one.key.expose()).unwrap();
    let certificate = Certificate::from_openssh(&one.certificate).unwrap();
    assert_eq!(certificate.public_key(), key.public_key().key_data());
    assert!(certificate.cert_type().is_user());
    assert_eq!(certificate.valid_principals(), ["deploy"]);
    assert_eq!(certificate.key_id(), format!("countersign {id}"));
    assert!(certificate.critical_options().is_empty());
    let extensions: Vec<_> = certificate.extensions().keys().map(String::as_str).collect();
    assert_eq!(extensions, ["permit-pty"]);
    let of =
        |role| public(&in_use(&world.view(), role, NOW_MS).unwrap()).fingerprint(HashAlg::Sha256);
    let (sessions, agents) = (of(SshRole::SessionAuthority), of(SshRole::AgentAuthority));
    certificate.validate_at(NOW_MS / 1000, [&sessions]).unwrap();
    certificate.validate_at(NOW_MS / 1000, [&agents]).unwrap_err();
    certificate.validate_at(NOW_MS / 1000 + 10 * 60, [&sessions]).unwrap_err();
}
