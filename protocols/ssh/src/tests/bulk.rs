//! Much, both ways at once, and readers that do not read.

use super::world::{LONG, World};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

/// More than every queue and window on the way together.
const MUCH: usize = 32 * 1024 * 1024;

fn pattern(length: usize) -> Vec<u8> {
    let word = |n: usize| (n.wrapping_mul(0x9e37_79b9) >> 8).to_le_bytes();
    (0..length / 8).flat_map(word).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_of_much_does_not_stall_even_behind_a_slow_reader() {
    let world = World::new().await;
    let mut client = world.begin("cat; exit $((0))");
    world.gate.approve(0).await;
    let sent = Arc::new(pattern(MUCH));
    let (mut stdin, mut stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let sending = Arc::clone(&sent);
    let writing = tokio::spawn(async move {
        stdin.write_all(&sending).await.unwrap();
        drop(stdin);
    });
    let reading = async {
        let mut read = Vec::with_capacity(MUCH);
        let mut piece = vec![0; 64 * 1024];
        // A reader that takes its time first: everything on the way is full when it begins.
        sleep(Duration::from_secs(4)).await;
        loop {
            match stdout.read(&mut piece).await.unwrap() {
                0 => return read,
                length => read.extend_from_slice(&piece[..length]),
            }
        }
    };
    let read = timeout(LONG, reading).await.expect("it does not stall");
    if read.len() != sent.len() {
        let mut said = String::new();
        client.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        panic!("{} bytes of {}: {said}", read.len(), sent.len());
    }
    writing.await.unwrap();
    assert!(read == *sent, "byte for byte");
    assert_eq!(client.wait().await.unwrap().code(), Some(0));
}
