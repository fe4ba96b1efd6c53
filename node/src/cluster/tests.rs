//! Keys, tokens and files of the peer plane. The start of whole nodes is tested where nodes are.

use super::{
    certificates,
    directory::{Directory, FILE_VERSION, Keys, MemberFile},
    *,
};
use countersign_core::secret::Secret;
use countersign_raft_store::handle::BoxFuture;

#[test]
fn what_is_sealed_opens_only_for_the_same_cluster_and_key() {
    let key = ClusterKey::draw();
    let (peer, credential) = (Purpose::PeerAuthority, Purpose::CredentialAuthority);
    let sealed = key.seal(peer, &[1; 16], b"secret").unwrap();
    assert_eq!(key.open(peer, &[1; 16], &sealed).unwrap(), Secret::new("secret"));
    assert!(key.open(peer, &[2; 16], &sealed).is_err(), "another cluster");
    assert!(key.open(credential, &[1; 16], &sealed).is_err(), "another purpose");
    assert!(ClusterKey::draw().open(peer, &[1; 16], &sealed).is_err(), "another key");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(key.open(peer, &[1; 16], &changed).is_err(), "byte {place} changed");
    }
    assert_ne!(key.seal(peer, &[1; 16], b"secret").unwrap(), sealed, "a nonce is never used twice");
}

#[test]
fn a_node_gets_the_name_that_the_cluster_gives_it_and_no_other() {
    crate::tls::install_provider();
    let ca = certificates::authority("blue").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let asked =
        rcgen::CertificateParams::new(vec!["node-1.blue.countersign.internal".to_owned()]).unwrap();
    let request = asked.serialize_request(&key).unwrap().pem().unwrap();
    let name = certificates::node_name("blue", NodeId(7));
    let pem = certificates::sign(&ca.certificate_pem, &ca.key_pem, &request, &name).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
    assert_eq!(
        names.value.general_names[0].to_string(),
        "DNSName(node-7.blue.countersign.internal)"
    );
    assert!(!certificate.is_ca());
}

#[test]
fn a_request_with_a_broken_signature_is_refused() {
    let (_, request) = certificates::request().unwrap();
    assert!(certificates::requested_key(&request).is_ok());
    assert!(
        certificates::requested_key(
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"
        )
        .is_err()
    );
    assert!(certificates::requested_key("").is_err());
}

#[test]
fn a_join_token_reads_back_and_nothing_else_does() {
    let token = JoinTokenText::new(&[1; 8], &[2; 32], [3; 32]);
    assert_eq!(token.expose().parse::<JoinTokenText>().unwrap(), token);
    assert_eq!(format!("{}\n", token.expose()).parse::<JoinTokenText>().unwrap(), token);
    let text = token.expose();
    for wrong in [
        "",
        "cs-join.",
        "cs-join.01.02",
        "cs-join.01.02.03",
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text}.00"),
    ] {
        assert!(wrong.parse::<JoinTokenText>().is_err(), "{wrong}");
    }
    assert!(!format!("{token:?}").contains(&hex::encode([2_u8; 32])), "the secret is not shown");
}

#[tokio::test]
async fn the_keys_of_a_member_are_there_after_a_restart_and_nobody_else_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path()).await.unwrap();
    let key = ClusterKey::draw();
    let keys =
        Keys { cluster_key: &key, ca_pem: "ca", certificate_pem: "certificate", key_pem: "key" };
    directory.write_keys(keys).await.unwrap();
    let member = MemberFile {
        version: FILE_VERSION,
        cluster_id: "00".into(),
        cluster_name: "blue".into(),
        node: 3,
    };
    directory.become_member(member.clone()).await.unwrap();
    let again = Directory::open(folder.path()).await.unwrap();
    assert_eq!(again.member().await.unwrap(), Some(member));
    assert_eq!(again.cluster_key().await.unwrap(), key);
    for name in ["keys/cluster.key", "keys/peer.key", "member.json"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    assert!(again.has_log().is_err(), "a member whose log is gone does not come back");
}

#[tokio::test]
async fn what_an_unfinished_founding_left_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path()).await.unwrap();
    directory.begin_founding().await.unwrap();
    std::fs::create_dir(folder.path().join("raft")).unwrap();
    Directory::open(folder.path()).await.unwrap();
    assert!(!folder.path().join("raft").exists());
    assert!(!folder.path().join("founding").exists());
}

#[tokio::test]
async fn only_the_token_of_the_data_directory_makes_a_cluster() {
    let bootstrap = Bootstrap::default();
    let token = Secret::new("cs-init.right");
    assert_eq!(bootstrap.init(&token, None).await.unwrap_err(), NotTaken::NotWaiting);
    let orders = bootstrap.wait(&token);
    assert_eq!(
        bootstrap.init(&Secret::new("cs-init.wrong"), None).await.unwrap_err(),
        NotTaken::WrongToken
    );
    drop(orders);
    assert_eq!(bootstrap.init(&token, None).await.unwrap_err(), NotTaken::Failed);
}

#[derive(Debug)]
struct NoEngine;

impl StartEngine for NoEngine {
    fn start(
        &self,
        _plan: EnginePlan,
    ) -> BoxFuture<'_, Result<Started, Box<dyn std::error::Error + Send + Sync>>> {
        panic!("no engine is started here");
    }
}

#[tokio::test]
async fn a_first_node_that_wants_another_id_makes_no_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::config::Config {
        node_id: Some(2),
        data_dir: folder.path().to_owned(),
        ..crate::config::Config::default()
    };
    let app = Arc::new(App::new(config, crate::clock::Clock::Wall));
    let error = start_with(&app, &NoEngine).await.unwrap_err();
    assert!(matches!(error, ClusterError::NotFirst { wanted: 2 }), "{error}");
}

#[tokio::test]
async fn the_bootstrap_token_is_kept_for_its_hour_and_not_longer() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path()).await.unwrap();
    let path = folder.path().join("bootstrap-token");
    directory.write_bootstrap_token(&Secret::new("cs-bootstrap.1")).await.unwrap();
    let member = MemberFile {
        version: FILE_VERSION,
        cluster_id: "00".into(),
        cluster_name: "blue".into(),
        node: 1,
    };
    directory.become_member(member).await.unwrap();
    Directory::open(folder.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "cs-bootstrap.1\n");
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(written - BOOTSTRAP_LIFE).unwrap();
    Directory::open(folder.path()).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn nobody_else_may_look_into_the_folders_that_a_node_makes() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("data");
    Directory::open(&path).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("keys"))), (0o700, 0o700));
    // A folder of keys that was open to others is not left so.
    let keys = path.join("keys");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o755)).unwrap();
    Directory::open(&path).await.unwrap();
    assert_eq!(mode(&keys), 0o700);
}
