//! Back-pressure: what nobody reads stays with whoever sends it, and no session grows without limit.

use super::{
    agent::{Agent, Message, error, kinds},
    gate::Decision,
    place::Place,
};
use crate::frame;
use countersign_core::{id::HoldId, refusal::Refusal};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

const MIB: usize = 1024 * 1024;
/// A sender that gets rid of nothing for so long is stopped.
const STOPPED_AFTER: Duration = Duration::from_secs(3);
/// Bytes that may be on their way: the buffers of both sockets, and what the gateway keeps.
const MOST_UNDER_WAY: usize = 24 * MIB;

/// A Close of a statement that nobody has: seven bytes, and an answer of five.
fn closes(count: usize) -> Vec<u8> {
    frame::close_statement("").repeat(count)
}

/// Sends messages until the gateway takes no more; returns how many bytes it took, and what is left to send of the last.
async fn flood(agent: &mut Agent) -> (usize, Vec<u8>) {
    let piece = closes(8 * 1024);
    let mut sent = 0;
    loop {
        assert!(sent < 2 * MOST_UNDER_WAY, "the gateway takes everything: {} MiB", sent / MIB);
        let mut left = &piece[..];
        while !left.is_empty() {
            match timeout(STOPPED_AFTER, agent.stream.write(left)).await {
                Ok(written) => left = &left[written.unwrap()..],
                Err(_) => return (sent + piece.len() - left.len(), left.to_vec()),
            }
        }
        sent += piece.len();
    }
}

/// Sends the rest and counts the answers of the flood, with a Sync behind it.
async fn ebb(agent: Agent, (sent, left): (usize, Vec<u8>)) {
    let closes = (sent + left.len()) / frame::close_statement("").len();
    let (reading, mut writing) = tokio::io::split(agent.stream);
    let rest = [left, frame::sync().to_vec()].concat();
    let written = tokio::spawn(async move {
        writing.write_all(&rest).await.unwrap();
        writing.flush().await.unwrap();
        writing
    });
    assert_eq!(count_to_ready(reading).await, closes);
    drop(written.await.unwrap());
}

async fn count_to_ready(mut reading: impl AsyncRead + Unpin) -> usize {
    let mut count = 0;
    loop {
        let kind = reading.read_u8().await.unwrap();
        let length = reading.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        reading.read_exact(&mut body).await.unwrap();
        match kind {
            b'3' => count += 1,
            b'Z' => return count,
            _ => {}
        }
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_sends_and_does_not_read_is_stopped() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    let flooded = flood(&mut agent).await;
    assert!(flooded.0 < MOST_UNDER_WAY, "{} MiB", flooded.0 / MIB);
    ebb(agent, flooded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_unread_stays_unread_while_an_operation_is_held() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.hold(0).await;
    let flooded = flood(&mut agent).await;
    assert!(flooded.0 < MOST_UNDER_WAY, "{} MiB", flooded.0 / MIB);
    let refused = Refusal::HoldExpired { hold: HoldId::from_bytes([1; 16]) };
    hold.decide.send_replace(Decision::Refuse(refused));
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("NEZ", "42501"));
    ebb(agent, flooded).await;
    assert_eq!(place.gate.hold_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_nobody_reads_stays_at_the_target() {
    let place = Place::with_postgres().await;
    place.truth("UPDATE accounts SET name = repeat('x', 1000000)");
    let mut agent = Agent::connect(&place).await;
    agent.query("SELECT id FROM accounts").await;
    let before = resident_bytes();
    // A gigabyte, of which nothing is read.
    agent.send(&frame::query(b"SELECT a.name FROM accounts a, accounts b, accounts c")).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'";
    while place.truth(waits) != "1" {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(place.truth(waits), "1", "the target is stopped");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < MOST_UNDER_WAY, "{} MiB", grown / MIB);
    // It goes on as soon as somebody reads.
    let rows: Vec<Message> = [agent.until('D').await, agent.until('D').await].concat();
    assert_eq!(kinds(&rows), "TDD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_for_an_agent_that_waits_and_does_not_read_stay_at_the_target() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"LISTEN news")).await;
    place.gate.approve(0).await;
    agent.until_ready().await;
    agent.send(&frame::query(b"DELETE FROM accounts")).await;
    place.gate.hold(1).await;
    let before = resident_bytes();
    // Sixty megabytes.
    place.truth(
        "SELECT count(pg_notify('news', n || repeat('x', 7900))) FROM generate_series(1, 8000) n",
    );
    sleep(Duration::from_secs(2)).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < MOST_UNDER_WAY, "{} MiB", grown / MIB);
    let mut told = 0;
    while told < 8_000 {
        told += usize::from(agent.next().await.kind == 'A');
    }
    place.gate.approve(1).await;
    assert_eq!(kinds(&agent.until_ready().await), "CZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "0");
}
