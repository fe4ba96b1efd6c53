//! `countersignctl` as people and scripts use it: exit statuses, pure stdout, and a decision made with it.

use countersign_tests::{api::at, cluster::Cluster, postgres, psql};
use serde_json::Value;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

async fn run(cluster: &Cluster, node: usize, token: &str, arguments: &[&str]) -> Ran {
    let output = cluster.control(node, token).unwrap().args(arguments).output().await.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_statuses_tell_a_script_what_happened() {
    let cluster = Cluster::start().await.unwrap();
    let dana = cluster.environment().get("CS_REVIEWER_TOKEN").unwrap().to_owned();
    let cases: &[(&str, &[&str], i32)] = &[
        (&dana, &["holds", "list"], 0),
        (&dana, &["whoami"], 0),
        (&dana, &["cluster", "status"], 0),
        (&dana, &["get", "Policy"], 5),
        (&dana, &["holds", "shout"], 2),
        (&dana, &["holds", "show", "00000000-0000-7000-8000-000000000000"], 3),
        ("nonsense", &["holds", "list"], 4),
        (&dana, &["cluster", "token", "create"], 5),
        (&dana, &["delete", "Policy", "sample"], 5),
    ];
    for (token, arguments, wanted) in cases {
        let ran = run(&cluster, 2, token, arguments).await;
        assert_eq!(ran.code, Some(*wanted), "{arguments:?}:\n{}{}", ran.stdout, ran.stderr);
        if ran.code != Some(0) {
            assert!(ran.stdout.is_empty(), "{arguments:?} wrote to stdout: {}", ran.stdout);
            assert!(!ran.stderr.is_empty(), "{arguments:?} said nothing");
        }
    }
    let nowhere = format!("https://127.0.0.1:{}", postgres::free_port().unwrap());
    let mut unreachable = cluster.control(1, &dana).unwrap();
    let output = unreachable
        .env("COUNTERSIGN_SERVER", nowhere)
        .args(["holds", "list"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_goes_to_stdout_and_nothing_else_does() {
    let cluster = Cluster::start().await.unwrap();
    let ada = cluster.environment().get("CS_ADMIN_TOKEN").unwrap().to_owned();
    let commands: &[&[&str]] = &[
        &["holds", "list"],
        &["cluster", "status"],
        &["sessions", "list"],
        &["audit", "search"],
        &["get", "Policy"],
        &["get", "Target", "orders"],
        &["whoami"],
    ];
    for command in commands {
        let arguments = [command, &["-o", "json"][..]].concat();
        let ran = run(&cluster, 3, &ada, &arguments).await;
        assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {}", ran.stdout));
    }
    let failed = run(
        &cluster,
        3,
        &ada,
        &["holds", "show", "00000000-0000-7000-8000-000000000000", "-o", "json"],
    )
    .await;
    let problem: Value = serde_json::from_str(&failed.stderr)
        .unwrap_or_else(|error| panic!("{error}: {}", failed.stderr));
    assert!(!at(&problem, "/title").is_empty(), "{problem}");
    assert_eq!(failed.stdout, "");
    let password = cluster.postgres.url();
    let password = password.split([':', '@']).nth(2).unwrap();
    let exported = run(&cluster, 3, &ada, &["export"]).await;
    assert!(!exported.stdout.contains(password), "an export shows the target's password");
    cluster.check_logs(&[]).unwrap();
    what_is_done_to_the_development_cluster_is_a_document(&cluster).await;
}

async fn what_is_done_to_the_development_cluster_is_a_document(cluster: &Cluster) {
    let cases: &[(&[&str], &str)] = &[
        (&["env"], "/CS_AGENT_TOKEN"),
        (&["token", "reviewer", "dana"], "/token"),
        (&["rotate-key"], "/key"),
        (&["partition", "3"], "/cut/0/1"),
        (&["heal"], "/cut"),
        (&["kill", "3"], "/pid"),
        (&["start", "3"], "/running"),
        (&["status"], "/nodes/2/pid"),
    ];
    for (command, pointer) in cases {
        let said = cluster.dev(&[command, &["-o", "json"][..]].concat()).await.unwrap();
        let document: Value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {said}"));
        assert!(document.pointer(pointer).is_some(), "{command:?}: no {pointer} in {document}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_finds_reads_and_approves_a_hold_with_it() {
    let cluster = Cluster::start().await.unwrap();
    let rui = cluster.environment().get("CS_REVIEWER2_TOKEN").unwrap().to_owned();
    let sql = "DELETE FROM orders WHERE id = 33 AND note <> E'\\x1b[2J' RETURNING id";
    let mut waiting = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    waiting.until_told("DETAIL:").await.unwrap();
    let hold = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap().pending("WHERE id = 33").await.unwrap();
    let id = at(&hold, "/id");

    let listed = run(&cluster, 3, &rui, &["holds", "list"]).await;
    assert!(listed.stdout.contains(id), "{}", listed.stdout);
    let shown = run(&cluster, 3, &rui, &["holds", "show", id]).await;
    for part in [at(&hold, "/fingerprint"), at(&hold, "/key"), "ci-bot", "DELETE FROM orders"] {
        assert!(shown.stdout.contains(part), "no {part} in {}", shown.stdout);
    }
    assert!(!shown.stdout.contains('\u{1b}'), "no control character reaches the terminal");
    let unasked = run(&cluster, 3, &rui, &["holds", "approve", id]).await;
    assert_eq!(unasked.code, Some(2), "without a terminal and without --yes: {}", unasked.stderr);
    let approved =
        run(&cluster, 3, &rui, &["holds", "approve", id, "--yes", "--comment", "fine"]).await;
    assert_eq!(approved.code, Some(0), "{}", approved.stderr);
    assert_eq!(waiting.finish().await.unwrap().code, Some(0));
    let late = run(&cluster, 2, &rui, &["holds", "reject", id, "--yes", "--comment", "late"]).await;
    assert_eq!(late.code, Some(9), "somebody was first: {}", late.stderr);
    the_last_events_are_found_from_the_end(&cluster, &rui).await;
    cluster.check_logs(&[]).unwrap();
}

/// What a search lists, as sequences.
async fn searched(cluster: &Cluster, token: &str, arguments: &[&str]) -> Vec<u64> {
    let arguments = [&["audit", "search", "-o", "json"], arguments].concat();
    let ran = run(cluster, 1, token, &arguments).await;
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    let events: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    events.iter().map(|event| event.get("sequence").unwrap().as_u64().unwrap()).collect()
}

async fn the_last_events_are_found_from_the_end(cluster: &Cluster, token: &str) {
    let few = searched(cluster, token, &["--limit", "3"]).await;
    let all = searched(cluster, token, &["--limit", "100000"]).await;
    assert!(all.iter().copied().eq(1..=all.len() as u64), "without a gap: {all:?}");
    let first = few[0];
    assert_eq!(few, [first, first + 1, first + 2]);
    assert!(first + 2 + 20 > all.len() as u64, "{few:?} are not the last of {}", all.len());
    let intents = searched(cluster, token, &["--kind", "intent", "--limit", "1"]).await;
    let every = searched(cluster, token, &["--kind", "intent"]).await;
    assert_eq!(intents.last(), every.last());
    assert!(searched(cluster, token, &["--until", "2001-01-01T00:00:00Z"]).await.is_empty());
}
