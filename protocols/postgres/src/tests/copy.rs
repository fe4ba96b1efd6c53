//! COPY in both directions: what may be said inside it, and that neither side waits for the other.

use super::{
    agent::{Agent, Message, error, kinds, status},
    place::Place,
};
use crate::frame::{self, Stream};
use bytes::BufMut;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, time::timeout};

/// Longer than anything here takes on a busy machine; what waits for ever ends here.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// Makes the target say a notice of so many bytes for every row.
fn make_loud(place: &Place, bytes: usize) {
    place.truth(&format!(
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE NOTICE '%', repeat('n', {bytes}); RETURN NEW; END $$; \
         CREATE TRIGGER loud BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION loud()"
    ));
}

fn data(lines: &str) -> Vec<u8> {
    frame::message(b'd', |out| out.put_slice(lines.as_bytes())).to_vec()
}

/// Begins a COPY that is approved as the n-th hold.
async fn begin(place: &Place, agent: &mut Agent, n: usize) {
    agent.send(&frame::query(b"COPY accounts FROM STDIN")).await;
    place.gate.approve(n).await;
    agent.until('G').await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_does_not_end_a_copy() {
    let place = Place::with_postgres().await;
    make_loud(&place, 10);
    let mut agent = Agent::connect(&place).await;
    begin(&place, &mut agent, 0).await;
    let copied = async {
        for n in 100..103 {
            agent.send(&data(&format!("{n}\tname\n"))).await;
            // Only now the next line goes: the gateway has seen the notice by then.
            assert_eq!(agent.next().await.kind, 'N');
        }
        agent.send(&frame::empty(b'c')).await;
        agent.until_ready().await
    };
    let answer = timeout(HANGS_AFTER, copied).await.expect("the COPY goes on behind a notice");
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'I'), "{answer:?}");
    assert_eq!(place.truth("SELECT count(*) FROM accounts WHERE id >= 100"), "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_of_a_copy_move_when_both_are_full() {
    const ROWS: usize = 2_000;
    let place = Place::with_postgres().await;
    make_loud(&place, 4_000);
    let mut agent = Agent::connect(&place).await;
    begin(&place, &mut agent, 0).await;
    // One message with all rows, so that the notices come while it is passed on.
    let name = "x".repeat(4_000);
    let lines: Vec<String> = (0..ROWS).map(|n| format!("{}\t{name}\n", n + 100)).collect();
    let lines = lines.concat();
    let (reading, mut writing) = tokio::io::split(agent.stream);
    let written = tokio::spawn(async move {
        writing.write_all(&[data(&lines), frame::empty(b'c').to_vec()].concat()).await.unwrap();
        writing.flush().await.unwrap();
        writing
    });
    let reading: Stream = Box::new(tokio::io::join(reading, tokio::io::sink()));
    let mut agent = Agent { stream: reading, key: agent.key };
    let answer = timeout(HANGS_AFTER, agent.until_ready()).await.expect("neither side waits");
    let notices = answer.iter().filter(|message| message.kind == 'N').count();
    assert_eq!((notices, status(&answer)), (ROWS, 'I'));
    drop(written.await.unwrap());
    assert_eq!(place.truth("SELECT count(*) FROM accounts WHERE id >= 100"), ROWS.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_target_ends_a_copy_in_the_middle_of_a_message() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    begin(&place, &mut agent, 0).await;
    // The first line is wrong; megabytes follow in the same message.
    let lines = format!("no number\tname\n{}", "200\tname\n".repeat(500_000));
    agent.send(&[data(&lines), frame::empty(b'c').to_vec()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("22P02", 'I'));
    assert_eq!(kinds(&agent.query("SELECT id FROM accounts WHERE id = 1").await), "TDCZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_can_fail_its_copy_in_both_protocols() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    begin(&place, &mut agent, 0).await;
    agent.send(&[data("100\tname\n"), frame::copy_fail("enough").to_vec()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("57014", 'I'), "{answer:?}");
    // In the extended protocol, with a Sync and a Flush inside that count for nothing.
    let pipeline = [super::agent::execute("COPY accounts FROM STDIN"), frame::sync().to_vec()];
    for (n, (end, answered)) in
        [(frame::copy_fail("no"), "57014"), (frame::empty(b'c'), "")].into_iter().enumerate()
    {
        agent.send(&pipeline.concat()).await;
        place.gate.approve(n + 1).await;
        agent.until('G').await;
        let inside = [
            frame::sync().to_vec(),
            data("101\tname\n"),
            frame::flush().to_vec(),
            end.to_vec(),
            frame::sync().to_vec(),
        ];
        agent.send(&inside.concat()).await;
        let answer = agent.until_ready().await;
        assert_eq!((error(&answer).as_str(), status(&answer)), (answered, 'I'), "{answer:?}");
    }
    assert_eq!(kinds(&agent.query("SELECT id FROM accounts WHERE id = 101").await), "TDCZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "11");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_messages_inside_a_copy_end_the_session_and_the_copy() {
    let place = Place::with_postgres().await;
    let others = [
        frame::query(b"DELETE FROM accounts"),
        frame::parse("", b"DELETE FROM accounts", &[]),
        frame::execute("", 0),
        frame::describe_portal(""),
        frame::close_statement("s"),
        frame::message(b'F', |out| out.put_slice(&[0; 10])),
        super::agent::password("again"),
        frame::message(b'?', |_| {}),
    ];
    for (n, other) in others.iter().enumerate() {
        let mut agent = Agent::connect(&place).await;
        begin(&place, &mut agent, n).await;
        agent
            .send(&[data("100\tname\n"), other.to_vec(), frame::empty(b'c').to_vec()].concat())
            .await;
        let rest: Vec<Message> = agent.rest().await;
        assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "08P01"), "{other:?}");
        place.gate.closed.subscribe().wait_for(|closed| closed.len() > n).await.unwrap();
    }
    assert_eq!(place.gate.hold_count(), others.len());
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}
