//! Certificates that look like an agent's and are none.

use super::*;
use ssh_key::{
    HashAlg, PrivateKey,
    certificate::{Builder, CertType},
    private::Ed25519Keypair,
};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: u64 = NOW_MS / 1000;

fn pair(n: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[n; 32]))
}

fn id() -> CredentialId {
    CredentialId::from_bytes([6; 16])
}

/// A good certificate, before something is done to it.
fn begun(after: u64, before: u64) -> Builder {
    let mut builder =
        Builder::new([1; 32], pair(2).public_key().key_data().clone(), after, before).unwrap();
    builder.cert_type(CertType::User).unwrap();
    builder
}

fn good() -> Builder {
    let mut builder = begun(NOW - 60, NOW + 60);
    builder.key_id(id().to_string()).unwrap().valid_principal("root@web").unwrap();
    builder
}

fn read(certificate: &[u8]) -> Result<PresentedSsh, SshCertificateError> {
    let authority = pair(1).public_key().fingerprint(HashAlg::Sha256);
    let shown = ("root@web", "10.1.2.3".parse().unwrap(), NOW_MS);
    PresentedSsh::read(certificate, &[authority], shown)
}

fn signed(builder: Builder) -> Vec<u8> {
    builder.sign(&pair(1)).unwrap().to_bytes().unwrap()
}

#[test]
fn a_certificate_of_the_authority_names_its_credential() {
    let presented = read(&signed(good())).unwrap();
    assert_eq!(presented.credential, id());
    let key: [u8; 32] = Sha256::digest(pair(2).public_key().to_bytes().unwrap()).into();
    assert_eq!(presented.key_sha256, key);
    let mut near = good();
    near.critical_option(SOURCE_ADDRESS, "192.0.2.1,10.0.0.0/8").unwrap();
    read(&signed(near)).unwrap();
    // Extensions only permit, and permit nothing here.
    let mut extended = good();
    extended.extension("permit-pty", "").unwrap();
    read(&signed(extended)).unwrap();
}

#[test]
fn what_is_not_such_a_certificate_is_refused() {
    let named = |principals: &[&str]| {
        let mut builder = begun(NOW - 60, NOW + 60);
        builder.key_id(id().to_string()).unwrap();
        for principal in principals {
            builder.valid_principal(*principal).unwrap();
        }
        if principals.is_empty() {
            builder.all_principals_valid().unwrap();
        }
        signed(builder)
    };
    let at = |after, before| {
        let mut builder = begun(after, before);
        builder.key_id(id().to_string()).unwrap().valid_principal("*").unwrap();
        signed(builder)
    };
    let option = |name: &str, value: &str| {
        let mut builder = good();
        builder.critical_option(name, value).unwrap();
        signed(builder)
    };
    let mut of_host =
        Builder::new([1; 32], pair(2).public_key().key_data().clone(), NOW - 60, NOW + 60).unwrap();
    of_host.cert_type(CertType::Host).unwrap().valid_principal("*").unwrap();
    let of_host = signed(of_host);
    let mut nobodys = begun(NOW - 60, NOW + 60);
    nobodys.key_id("root").unwrap().valid_principal("*").unwrap();
    let nobodys = signed(nobodys);
    let mut changed = signed(good());
    let at_login = changed.windows(8).position(|part| part == b"root@web").unwrap();
    changed[at_login] = b'b';
    let mut longer = signed(good());
    longer.push(0);
    for (certificate, why) in [
        (good().sign(&pair(3)).unwrap().to_bytes().unwrap(), "not an agent's certificate"),
        (good().sign(&pair(2)).unwrap().to_bytes().unwrap(), "not an agent's certificate"),
        (changed, "not an agent's certificate"),
        (of_host, "a host's"),
        (at(NOW - 120, NOW), "its time is not now"),
        (at(NOW + 1, NOW + 60), "its time is not now"),
        (named(&[]), "for this login"),
        (named(&["app@web", "root@web2", "root"]), "for this login"),
        (named(&["app@web,root@web"]), "for this login"),
        (option("force-command", "ls"), "not understood"),
        (option("verify-required", ""), "not understood"),
        (option(SOURCE_ADDRESS, "10.9.0.0/16"), "from this address"),
        (option(SOURCE_ADDRESS, ""), "not understood"),
        (option(SOURCE_ADDRESS, "!10.0.0.0/8"), "not understood"),
        (nobodys, "names no credential"),
        (pair(2).public_key().to_bytes().unwrap(), "cannot be read"),
        (longer, "cannot be read"),
        (Vec::new(), "cannot be read"),
        (vec![0; MAX_CERTIFICATE + 1], "longer than"),
    ] {
        let refused = read(&certificate).unwrap_err().to_string();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn no_part_of_a_certificate_is_taken_for_the_whole() {
    let whole = signed(good());
    for length in 0..whole.len() {
        read(&whole[..length]).unwrap_err();
    }
}
