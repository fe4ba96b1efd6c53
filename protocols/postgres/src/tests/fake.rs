//! A target that does what a test says, and what the gateway sends it at which moment.

use super::{
    agent::{Agent, error, kinds},
    gate::Decision,
    place::{Listens, Place},
};
use crate::frame;
use bytes::BufMut;
use countersign_core::{record::Outcome, refusal::Refusal};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    time::timeout,
};

/// Long enough for a message to arrive that must not.
const A_WHILE: Duration = Duration::from_millis(300);

struct Fake(UnixListener);

/// A connection of the gateway's, logged in.
struct Talk(UnixStream);

impl Fake {
    async fn new() -> (Place, Self) {
        let place = Place::with(Listens::Nothing, |_| {}).await;
        let listener = UnixListener::bind(place.folder.path().join(".s.PGSQL.5432")).unwrap();
        (place, Self(listener))
    }

    async fn logged_in(&self) -> Talk {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let length = stream.read_u32().await.unwrap();
        stream.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
        let greeting = [
            frame::message(b'R', |out| out.put_u32(0)),
            frame::text_pair(b'S', "server_encoding", "UTF8"),
            frame::message(b'K', |out| out.put_u64(7)),
            frame::ready(b'I'),
        ];
        stream.write_all(&greeting.concat()).await.unwrap();
        Talk(stream)
    }
}

impl Talk {
    async fn next(&mut self) -> Option<(char, Vec<u8>)> {
        let kind = self.0.read_u8().await.ok()?;
        let length = self.0.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        self.0.read_exact(&mut body).await.ok()?;
        Some((kind as char, body))
    }

    /// The next Query; what the gateway asks itself is answered.
    async fn query(&mut self) -> String {
        loop {
            let (kind, body) = self.next().await.expect("a message");
            match kind {
                'Q' => return String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned(),
                'P' => self.0.write_all(&frame::empty(b'1')).await.unwrap(),
                'B' => self.0.write_all(&frame::empty(b'2')).await.unwrap(),
                'E' => self.0.write_all(&complete("SET")).await.unwrap(),
                'S' => self.0.write_all(&frame::ready(b'I')).await.unwrap(),
                other => panic!("{other}"),
            }
        }
    }

    async fn answer(&mut self, tag: &str) {
        let answer = [complete(tag), frame::ready(b'I')].concat();
        self.0.write_all(&answer).await.unwrap();
    }
}

fn complete(tag: &str) -> bytes::Bytes {
    frame::message(b'C', |out| {
        out.put_slice(tag.as_bytes());
        out.put_u8(0);
    })
}

async fn cancel(place: &Place, agent: &Agent) {
    let mut cancel = TcpStream::connect(place.address).await.unwrap();
    let (process, secret) = agent.key;
    let request = [16_u32, 80_877_102, process, secret].map(u32::to_be_bytes).concat();
    cancel.write_all(&request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_was_begun_is_over_before_the_next_operation_is_forwarded() {
    let (place, fake) = Fake::new().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"SELECT 1")).await;
    let mut target = fake.logged_in().await;
    assert_eq!(target.query().await, "SELECT 1");
    cancel(&place, &agent).await;
    let (mut request, _) = fake.0.accept().await.unwrap();
    request.read_exact(&mut [0; 16]).await.unwrap();
    // The answer is faster than the cancel.
    target.answer("SELECT 1").await;
    agent.send(&frame::query(b"SELECT 2")).await;
    let early = timeout(A_WHILE, target.query()).await;
    assert!(early.is_err(), "{early:?} would be hit by the cancel of another statement");
    drop(request);
    assert_eq!(target.query().await, "SELECT 2");
    target.answer("SELECT 1").await;
    assert_eq!(kinds(&agent.until_ready().await), "CZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_operation_is_written_once_its_session_has_ended() {
    let (place, fake) = Fake::new().await;
    let mut agent = Agent::connect(&place).await;
    // Far more than the sockets hold.
    let text = format!("NOTIFY accounts -- {}", "x".repeat(900_000));
    agent.send(&frame::query(text.as_bytes())).await;
    place.gate.approve(0).await;
    let mut target = fake.logged_in().await;
    loop {
        // The posture; then the operation begins to arrive and nobody takes it.
        let (kind, _) = target.next().await.unwrap();
        if kind == 'S' {
            break;
        }
    }
    let posture =
        [frame::empty(b'1'), frame::empty(b'2'), complete("SELECT 1"), frame::ready(b'I')].concat();
    target.0.write_all(&posture).await.unwrap();
    assert_eq!(target.0.read_u8().await.unwrap(), b'Q');
    place.gate.end_all(Refusal::NoQuorum).await;
    let (mut request, _) = fake.0.accept().await.unwrap();
    request.read_exact(&mut [0; 16]).await.unwrap();
    drop(request);
    let rest = agent.rest().await;
    assert_eq!(error(&rest), "08007", "{rest:?}");
    let mut arrived = Vec::new();
    drop(target.0.read_to_end(&mut arrived).await);
    assert!(arrived.len() < text.len(), "{} bytes of it arrived", arrived.len());
    let settled = place.gate.settlement(0).await;
    assert_eq!(settled.outcome, Outcome::OutcomeUnknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_dies_behind_its_word_leaves_the_outcome_unknown() {
    let (place, fake) = Fake::new().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts; NOTIFY accounts")).await;
    place.gate.approve(0).await;
    let mut target = fake.logged_in().await;
    target.query().await;
    target.0.write_all(&complete("DELETE 1")).await.unwrap();
    drop(target);
    drop(fake);
    let rest = agent.rest().await;
    assert_eq!(error(&rest), "08007", "{rest:?}");
    let settled = place.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.rows), (Outcome::OutcomeUnknown, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_not_claimed_before_the_target_has_shown_that_the_transaction_is_there() {
    let (place, fake) = Fake::new().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"BEGIN")).await;
    let mut target = fake.logged_in().await;
    assert_eq!(target.query().await, "BEGIN");
    let began = [complete("BEGIN"), frame::ready(b'T')].concat();
    target.0.write_all(&began).await.unwrap();
    agent.until_ready().await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.hold(0).await;
    // It is asked twice where the transaction stands: before the wait and behind the approval.
    assert_eq!(target.next().await.unwrap().0, 'S');
    target.0.write_all(&frame::ready(b'T')).await.unwrap();
    hold.decide.send_replace(Decision::Approve);
    assert_eq!(target.next().await.unwrap().0, 'S');
    assert_eq!(*hold.ended.borrow(), "", "nothing is claimed yet");
    drop(target);
    let rest = agent.rest().await;
    assert_eq!(error(&rest), "08006", "{rest:?}");
    assert_eq!(*hold.ended.borrow(), "void");
}
