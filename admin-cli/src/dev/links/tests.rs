//! Tests of cutting and healing links, over real sockets.

use super::*;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Long enough for bytes on loopback to arrive if they do.
const A_WHILE: Duration = Duration::from_millis(200);

/// A link from node 1 to node 2 with one connection on it: its two ends.
async fn connected(cuts: watch::Receiver<Cuts>) -> (TcpStream, TcpStream) {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let near = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = near.local_addr().unwrap();
    let link = Link {
        from: 1,
        to: 2,
        listen: address.port(),
        connect: target.local_addr().unwrap().port(),
    };
    tokio::spawn(accept(near, link, cuts, Arc::new(Semaphore::new(8))));
    let client = TcpStream::connect(address).await.unwrap();
    let (server, _) = target.accept().await.unwrap();
    (client, server)
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    from.write_all(b"x").await.unwrap();
    let mut byte = [0];
    timeout(A_WHILE, to.read_exact(&mut byte)).await.is_ok()
}

#[tokio::test]
async fn a_whole_link_carries_both_directions() {
    let (_cuts, watched) = watch::channel(Cuts::new());
    let (mut client, mut server) = connected(watched).await;
    assert!(arrives(&mut client, &mut server).await);
    assert!(arrives(&mut server, &mut client).await);
}

#[tokio::test]
async fn a_cut_of_one_direction_leaves_the_other() {
    let (cuts, watched) = watch::channel(Cuts::new());
    let (mut client, mut server) = connected(watched).await;
    cuts.send_replace(Cuts::from([(1, 2)]));
    assert!(!arrives(&mut client, &mut server).await);
    assert!(arrives(&mut server, &mut client).await);
}

#[tokio::test]
async fn what_was_on_its_way_arrives_when_the_cut_is_healed() {
    let (cuts, watched) = watch::channel(Cuts::new());
    let (mut client, mut server) = connected(watched).await;
    cuts.send_replace(Cuts::from([(1, 2), (2, 1)]));
    assert!(!arrives(&mut client, &mut server).await);
    assert!(!arrives(&mut server, &mut client).await);
    cuts.send_replace(Cuts::new());
    let mut byte = [0];
    timeout(Duration::from_secs(5), server.read_exact(&mut byte)).await.unwrap().unwrap();
    timeout(Duration::from_secs(5), client.read_exact(&mut byte)).await.unwrap().unwrap();
}

#[tokio::test]
async fn no_connection_is_opened_over_a_cut() {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let near = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = near.local_addr().unwrap();
    let link = Link {
        from: 1,
        to: 2,
        listen: address.port(),
        connect: target.local_addr().unwrap().port(),
    };
    let (cuts, watched) = watch::channel(Cuts::from([(2, 1)]));
    tokio::spawn(accept(near, link, watched, Arc::new(Semaphore::new(8))));
    let _client = TcpStream::connect(address).await.unwrap();
    assert!(timeout(A_WHILE, target.accept()).await.is_err());
    cuts.send_replace(Cuts::new());
    timeout(Duration::from_secs(5), target.accept()).await.unwrap().unwrap();
}
