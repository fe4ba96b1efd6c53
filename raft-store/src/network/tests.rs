//! Who is listened to on the port between nodes, and for whom.

use std::sync::Arc;
use std::time::Duration;

use openraft::raft::{TransferLeaderRequest, VoteRequest};
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tonic::Code;

use super::peers::Peer;
use super::{ClusterName, Lane, Peers, Tls, codec};
use crate::encoding::{Encoded, SnapshotHeader};
use crate::engine::tests::cluster::{Cluster, SOON, blue};
use crate::raft_types::{NodeId, SnapshotMeta, TypeConfig, Vote};

/// A connection from `from` to `to`, with the certificate of `from`.
fn peer(cluster: &Cluster, from: NodeId, to: NodeId) -> Peer {
    let material = cluster.authority.issue(&[blue().node_name(from)]);
    let tls = Arc::new(Tls::new(blue(), from, &material).unwrap());
    let peers = Peers::new(tls, cluster.test.handle().clone(), [].into());
    peers.peer((to, cluster.member(to), Lane::Log)).unwrap()
}

#[test]
fn a_node_speaks_only_for_itself() {
    let cluster = Cluster::of_three();
    let leader = cluster.leader();
    let [speaker, other] = [leader % 3 + 1, (leader + 1) % 3 + 1];
    let before = cluster.engine(leader).status();
    let vote = Vote::new(before.term + 50, other);
    let mut peer = peer(&cluster, speaker, leader);
    let within = Duration::from_secs(10);
    let refused = |answer: Result<_, tonic::Status>| {
        let code = answer.map(|_: tonic::Response<super::proto::Frame>| ()).unwrap_err().code();
        assert_eq!(code, Code::PermissionDenied);
    };
    cluster.test.block_on(async {
        let request =
            VoteRequest::<TypeConfig> { vote, last_log_id: None, leadership_transfer: true };
        refused(peer.client.vote(peer.call_within(&request, within).unwrap()).await);
        refused(peer.client.pre_vote(peer.call_within(&request, within).unwrap()).await);
        let committed = Vote::new_committed(before.term + 50, other);
        let request = TransferLeaderRequest::<TypeConfig>::new(committed, leader, None);
        refused(peer.client.transfer_leader(peer.call_within(&request, within).unwrap()).await);
        let header = SnapshotHeader { vote: committed, meta: SnapshotMeta::default(), length: 0 };
        let frames = futures::stream::iter([codec::frame(&header).unwrap()]);
        refused(peer.client.snapshot(peer.call(frames)).await);
        let append = openraft::raft::AppendEntriesRequest::<TypeConfig> {
            vote: committed,
            prev_log_id: None,
            entries: vec![],
            leader_commit: None,
        };
        let frames = futures::stream::iter([codec::frame(&append).unwrap()]);
        let answers = peer.client.append(peer.call(frames)).await.unwrap();
        let answer = answers.into_inner().message().await.unwrap();
        assert!(answer.is_none(), "an append in another node's name was answered");
    });
    let after = cluster.engine(leader).status();
    assert_eq!((after.term, after.leader), (before.term, before.leader));
}

/// What the node says first to a connection with this configuration; nothing when it hangs up.
async fn first_byte(cluster: &Cluster, config: rustls::ClientConfig) -> Option<u8> {
    let tcp = TcpStream::connect(cluster.addresses[&1]).await.unwrap();
    let name = ServerName::try_from(blue().node_name(1)).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
    timeout(SOON, stream.read_u8()).await.expect("the node neither answers nor hangs up").ok()
}

#[test]
fn without_a_certificate_of_the_cluster_nothing_is_said() {
    let mut cluster = Cluster::new();
    cluster.start(1).unwrap();
    let own = cluster.authority.issue(&[blue().node_name(2)]);
    let tls = Tls::new(blue(), 2, &own).unwrap();
    let answered = cluster.test.block_on(first_byte(&cluster, (*tls.client()).clone()));
    assert!(answered.is_some(), "a peer is answered");

    let green = ClusterName::new("green").unwrap();
    let strange = cluster.authority.issue(&[green.node_name(2)]);
    let tls = Tls::new(green, 2, &strange).unwrap();
    let answered = cluster.test.block_on(first_byte(&cluster, (*tls.client()).clone()));
    assert_eq!(answered, None, "a node of another cluster was answered");

    let mut roots = rustls::RootCertStore::empty();
    let authority = rustls_pki_types::CertificateDer::from_pem_slice(own.authority_pem.as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut anonymous = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    anonymous.alpn_protocols = vec![b"h2".to_vec()];
    let answered = cluster.test.block_on(first_byte(&cluster, anonymous));
    assert_eq!(answered, None, "a connection without a certificate was answered");
}

#[test]
fn a_connection_that_says_nothing_is_hung_up_on() {
    let mut cluster = Cluster::new();
    cluster.start(1).unwrap();
    cluster.test.block_on(async {
        let begin = Instant::now();
        let mut tcp = TcpStream::connect(cluster.addresses[&1]).await.unwrap();
        let read = timeout(SOON, tcp.read(&mut [0])).await.expect("it is kept for ever");
        assert!(matches!(read, Ok(0) | Err(_)));
        assert!(begin.elapsed() >= Duration::from_secs(4), "a slow peer would not get in");
    });
}

#[test]
fn a_snapshot_is_read_no_further_ahead_than_the_peer_takes_it() {
    use super::client::{SNAPSHOT_FRAMES_AHEAD, read_out};

    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &vec![7; 9 << 20]).unwrap();
    let header = codec::frame(&Vote::new(1, 1)).unwrap();
    let header_bytes = Vote::new(1, 1).encode().unwrap().len();
    let (frames, mut taken) = tokio::sync::mpsc::channel(SNAPSHOT_FRAMES_AHEAD);
    let reading = std::thread::spawn(move || read_out(file, header, &frames));
    let (mut bytes, mut longest) = (0, 0);
    loop {
        // The reader runs as far ahead as it ever does.
        while taken.len() < SNAPSHOT_FRAMES_AHEAD && !reading.is_finished() {
            std::thread::yield_now();
        }
        longest = longest.max(taken.len());
        let Some(frame) = taken.blocking_recv() else { break };
        assert!(frame.data.len() <= super::SNAPSHOT_FRAME_BYTES);
        bytes += frame.data.len();
    }
    reading.join().unwrap().unwrap();
    assert_eq!((bytes, longest), ((9 << 20) + header_bytes, SNAPSHOT_FRAMES_AHEAD));
}
