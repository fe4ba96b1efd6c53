//! What allowed statements look like to the agent: as if it spoke to the target.

use super::{
    agent::{Agent, error, execute, kinds, status},
    gate::Decision,
    place::Place,
};
use crate::frame;
use countersign_core::{id::HoldId, record::Outcome, refusal::Refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_read_passes_in_both_protocols() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT id FROM accounts ORDER BY id").await;
    assert_eq!(kinds(&answer), "TDDDDDDDDDDCZ", "{answer:?}");
    let settled = place.gate.settlement(0).await;
    assert_eq!(
        (settled.outcome, settled.rows, settled.word.as_str()),
        (Outcome::Completed, 10, "SELECT 10")
    );

    agent
        .send(
            &[execute("SELECT id FROM public.accounts WHERE id = 3"), frame::sync().to_vec()]
                .concat(),
        )
        .await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12TDCZ", 'I'), "{answer:?}");

    // Describe of the statement alone, as asyncpg, JDBC and tokio-postgres do.
    let prepared = [
        frame::parse("mine", b"DELETE FROM accounts WHERE id = $1", &[]),
        frame::describe_statement("mine"),
        frame::sync(),
    ];
    agent.send(&prepared.concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("1tnZ", 'I'), "{answer:?}");
    assert_eq!(place.gate.hold_count(), 0);
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");

    // The right to describe is no right to execute, whatever name SQL calls the statement by.
    for (n, text) in ["EXECUTE cs_s2(1)", "EXECUTE mine(1)", "PREPARE p AS DELETE FROM accounts"]
        .iter()
        .enumerate()
    {
        agent.send(&frame::query(text.as_bytes())).await;
        let hold = place.gate.hold(n).await;
        hold.decide.send_replace(Decision::Refuse(Refusal::Withdrawn {
            hold: HoldId::from_bytes([1; 16]),
        }));
        assert_eq!(error(&agent.until_ready().await), "57014", "{text}");
    }
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");

    // An error of the target's, and the session goes on.
    let answer = agent.query("SELECT nothing FROM accounts").await;
    assert_eq!(
        (kinds(&answer).as_str(), error(&answer).as_str(), status(&answer)),
        ("EZ", "42703", 'I')
    );
    let answer = agent.query("").await;
    assert_eq!(kinds(&answer), "IZ");
    let answer = agent.query("CREATE ROLE nobody").await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("42501", 'I'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_logged_in_to_with_scram() {
    let place = Place::with_postgres().await;
    let mut agent =
        Agent::connect_as(&place, &[("user", "scram"), ("database", "orders/orders")]).await;
    let answer = agent.query("SELECT current_user").await;
    assert_eq!(
        &answer.iter().find(|message| message.kind == 'D').expect("a row").body[6..],
        b"scram"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_hands_out_its_rows_in_portions() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let none: [(u16, Option<&[u8]>); 0] = [];
    let bind = frame::Bind {
        portal: "rows",
        statement: "s",
        parameters: none.iter().copied(),
        result_formats: &[1],
    };
    let messages = [
        frame::parse("s", b"SELECT id FROM accounts ORDER BY id", &[]),
        frame::bind(bind),
        frame::close_statement("s"),
        frame::parse("s", b"SELECT 'another'", &[]),
        frame::execute("rows", 4),
        frame::execute("rows", 4),
        frame::execute("rows", 4),
        frame::sync(),
    ];
    agent.send(&messages.concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!(kinds(&answer), "1231DDDDsDDDDsDDCZ", "{answer:?}");
    let settled = place.gate.settlement(0).await;
    assert_eq!(
        (settled.outcome, settled.rows),
        (Outcome::Completed, 10),
        "one operation, one account"
    );
    // After its transaction the portal is gone.
    agent.send(&[frame::execute("rows", 4), frame::sync()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "34000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_works_through_it() {
    let place = Place::with_postgres().await;
    let output = place.psql(&["-c", "SELECT count(*) FROM accounts"]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "10", "{output:?}");
    let script = "BEGIN; \\echo begun\nSELECT id FROM accounts WHERE id = 1; SELECT 1/0; COMMIT; SELECT 'after';";
    let output = place.psql(&[
        "-c",
        "BEGIN",
        "-c",
        "SELECT 1/0",
        "-c",
        "SELECT 2",
        "-c",
        "ROLLBACK",
        "-c",
        "SELECT 'after'",
    ]);
    let mut output = output;
    let output = output.output().await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "after", "{stderr} {script}");
    assert!(stderr.contains("22012") && stderr.contains("25P02"), "{stderr}");
}
