//! Clients that people really use, unmodified: psql, pgbench in its three protocols, and Python's drivers:
//! `CS_TEST_PYTHON` names an interpreter that has them (tests/run.sh sees to it).

use countersign_tests::{agent::Login, cluster::Cluster, psql};
use std::{fs, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbench_runs_over_every_protocol() {
    let cluster = Cluster::start().await.unwrap();
    let script = cluster.path().join("read.sql");
    fs::write(&script, "\\set id random(1, 100)\nSELECT note FROM orders WHERE id = :id;\n")
        .unwrap();
    let login = cluster.login(2).unwrap();
    for protocol in ["simple", "extended", "prepared"] {
        let mut pgbench = Command::new("pgbench");
        pgbench
            .args(["-n", "-M", protocol, "-c", "4", "-j", "2", "-t", "50"])
            .arg("-f")
            .arg(&script);
        let output = with_login(&mut pgbench, &login).output();
        let output = timeout(Duration::from_mins(1), output).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{protocol}: {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            said.contains("number of transactions actually processed: 200/200"),
            "{protocol}: {said}"
        );
    }
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_runs_a_script_of_transactions_and_errors_as_at_the_target() {
    let cluster = Cluster::start().await.unwrap();
    let script = "SELECT 1 AS one;\n\
         BEGIN; SELECT count(*) FROM orders; COMMIT;\n\
         SELECT no_such_column FROM orders;\n\
         SELECT 'after the error' FROM accounts WHERE id = 1;\n\
         SELECT id, note FROM orders ORDER BY id LIMIT 3;\n\
         SHOW server_version_num;\n";
    let file = cluster.path().join("script.sql");
    fs::write(&file, script).unwrap();
    let mut through = psql::command(&cluster.login(1).unwrap());
    through.args(["-v", "ON_ERROR_STOP=0", "-f"]).arg(&file);
    let through = timeout(Duration::from_mins(1), through.output()).await.unwrap().unwrap();
    let direct = Command::new("psql")
        .args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-f"])
        .arg(&file)
        .arg(cluster.postgres.url())
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&through.stdout), String::from_utf8_lossy(&direct.stdout));
    // The gateway's own are none here: what psql shows is what the target said, the place in the source included.
    assert_eq!(String::from_utf8_lossy(&through.stderr), String::from_utf8_lossy(&direct.stderr));
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_stops_at_the_statement_that_is_held() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(3).unwrap().connect().await.unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let statements = "SELECT id FROM orders WHERE id = 1; DELETE FROM orders WHERE id = 2; SELECT id FROM orders WHERE id = 3";
    let client = &agent.client;
    let sent = client.batch_execute(statements);
    let seen = async {
        let hold = reviewer.pending("DELETE FROM orders WHERE id = 2").await.unwrap();
        // One simple query is one operation: none of it goes ahead of the decision.
        assert_eq!(cluster.postgres.received("WHERE id = 1;").unwrap(), 0);
        reviewer.approve(&hold).await.unwrap();
    };
    let (done, ()) = tokio::join!(sent, seen);
    done.unwrap();

    let read = client.prepare("SELECT note FROM orders WHERE id = $1").await.unwrap();
    let write = client.prepare("UPDATE orders SET note = 'piped' WHERE id = $1").await.unwrap();
    let before = client.query(&read, &[&4_i64]);
    let waits = client.execute(&write, &[&4_i64]);
    let behind = client.query(&read, &[&4_i64]);
    let seen = async {
        let hold = reviewer.pending("SET note = 'piped'").await.unwrap();
        reviewer.approve(&hold).await.unwrap();
    };
    let (before, waits, behind, ()) = tokio::join!(before, waits, behind, seen);
    assert_eq!(before.unwrap().first().unwrap().get::<_, String>(0), "order 4");
    assert_eq!(waits.unwrap(), 1);
    assert_eq!(behind.unwrap().first().unwrap().get::<_, String>(0), "piped");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pythons_drivers_read_and_wait_for_an_approval() {
    const SCRIPT: &str = include_str!("postgres_wire/drivers.py");
    let python = std::env::var_os("CS_TEST_PYTHON").expect("an interpreter with drivers");
    let cluster = Cluster::start().await.unwrap();
    let login = cluster.login(1).unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    for driver in ["psycopg", "pg8000", "asyncpg"] {
        let mut script = Command::new(&python);
        script.args(["-c", SCRIPT, driver]);
        let output = with_login(&mut script, &login).output();
        let review = async {
            let hold = reviewer.pending(&format!("'{driver}'")).await.unwrap();
            reviewer.approve(&hold).await.unwrap();
        };
        let (output, ()) =
            timeout(Duration::from_mins(1), async { tokio::join!(output, review) }).await.unwrap();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{driver}: {said}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "order 5, 1 written",
            "{driver}: {said}"
        );
    }
    cluster.check_logs(&[]).unwrap();
}

/// Where libpq's programs, and the script, find the node.
fn with_login<'a>(command: &'a mut Command, login: &Login) -> &'a mut Command {
    command
        .env("PGHOST", &login.host)
        .env("PGPORT", login.port.to_string())
        .env("PGDATABASE", &login.database)
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", &login.token)
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &login.ca_file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
}
