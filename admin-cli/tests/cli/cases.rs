//! The command line as its users meet it: the real binary against a stub of the API, output and exit statuses as snapshots.

use crate::{answers, stub::Stub};

use insta::assert_snapshot;
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// The binary with an environment of its own.
pub(crate) fn ctl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersignctl"));
    command
        .args(arguments)
        .env_clear()
        .env("XDG_CONFIG_HOME", folder)
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

/// What came of a command: status, stdout, stderr.
pub(crate) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let status = output.status.code().unwrap();
    format!(
        "status {status}\n--- stdout\n{}--- stderr\n{}",
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Runs a command without a server.
fn offline(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    told(&ctl(folder.path(), arguments).output().unwrap())
}

/// Runs a command against the stub.
pub(crate) fn online(stub: &Stub, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = ctl(folder.path(), arguments)
        .env("COUNTERSIGN_SERVER", stub.url())
        .env("COUNTERSIGN_CA_FILE", stub.ca_file())
        .env("COUNTERSIGN_TOKEN", "test-token")
        .output()
        .unwrap();
    told(&output)
}

#[test]
fn help_names_every_command_and_the_exit_statuses() {
    assert_snapshot!(offline(&["--help"]));
    assert_snapshot!(offline(&["holds", "approve", "--help"]));
    assert_snapshot!(offline(&["dev", "--help"]));
}

#[test]
fn a_command_line_that_cannot_be_understood_has_status_2() {
    assert_snapshot!(offline(&["holds", "aprove", "x"]));
    assert_snapshot!(offline(&["audit", "verify"]));
    assert_snapshot!(offline(&["-o", "json", "holds", "show"]));
}

#[test]
fn who_has_no_server_or_no_token_is_told_what_to_do() {
    assert_snapshot!(offline(&["holds", "list"]));
    assert_snapshot!(offline(&["holds", "list", "--server", "https://127.0.0.1:1"]));
}

#[test]
fn a_node_that_cannot_be_reached_has_status_8() {
    let arguments = ["whoami", "--server", "https://127.0.0.1:1", "--token", "t"];
    let told = offline(&arguments);
    assert!(told.starts_with("status 8\n"), "{told}");
    assert!(told.contains("\n\nhint: "), "{told}");
}

#[test]
fn problems_have_their_exit_statuses_and_stay_off_stdout() {
    let cases = [
        ("not-found", 404, 3),
        ("not-identified", 401, 4),
        ("forbidden", 403, 5),
        ("not-in-group", 403, 5),
        ("no-quorum", 503, 8),
        ("hold-settled", 409, 9),
        ("revision-conflict", 412, 9),
        ("internal", 500, 1),
        ("lockout", 409, 5),
        ("reason-required", 422, 5),
        ("bad-request", 400, 2),
        ("invalid", 422, 1),
        ("invalid-policy", 422, 1),
    ];
    for (slug, http, status) in cases {
        let problem = json!({
            "type": format!("urn:countersign:problem:{slug}"), "title": "T", "status": http, "detail": "why",
        });
        let stub = Stub::start(vec![("GET /v1/holds/hold_1", http, problem)]);
        let told = online(&stub, &["holds", "show", "hold_1", "-o", "json"]);
        assert!(
            told.starts_with(&format!("status {status}\n--- stdout\n--- stderr\n{{")),
            "{slug}: {told}"
        );
        assert!(told.contains(&format!("\"exit_status\":{status}")), "{slug}: {told}");
    }
}

#[test]
fn holds_are_listed_as_a_table_and_as_json() {
    let stub =
        Stub::start(vec![("GET /v1/holds", 200, json!({"items": [answers::hold("pending")]}))]);
    assert_snapshot!(online(&stub, &["holds", "list", "--state", "pending"]));
    assert_snapshot!(online(&stub, &["holds", "list", "-o", "wide"]));
    let told = online(&stub, &["holds", "list", "-o", "json"]);
    let stdout = told.split("--- stdout\n").nth(1).unwrap().split("--- stderr").next().unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(stdout).unwrap(),
        json!([answers::hold("pending")])
    );
    assert!(
        stub.requests()
            .iter()
            .any(|request| request.line == "GET /v1/holds?state=pending HTTP/1.1")
    );
}

#[test]
fn a_shown_hold_hides_nothing_and_deceives_nobody() {
    let stub = Stub::start(vec![("GET /v1/holds/hold_1", 200, answers::hold("pending"))]);
    assert_snapshot!(online(&stub, &["holds", "show", "hold_1"]));
}

#[test]
fn an_approval_sends_the_fingerprint_of_what_was_shown() {
    let stub = Stub::start(vec![
        ("GET /v1/holds/hold_1", 200, answers::hold("pending")),
        ("POST /v1/holds/hold_1/decision", 200, answers::hold("approved")),
    ]);
    let told = online(&stub, &["holds", "approve", "hold_1", "--yes", "--comment", "fine"]);
    assert!(told.starts_with("status 0\n"), "{told}");
    assert!(told.contains("exact text, 47 bytes:"), "{told}");
    let sent =
        stub.requests().into_iter().find(|request| request.line.starts_with("POST ")).unwrap();
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    let expected = json!({
        "decision": "approve", "comment": "fine", "fingerprint": answers::FINGERPRINT, "for_seconds": 0,
    });
    assert_eq!(body, expected);
}

#[test]
fn nobody_approves_unasked_and_unseen() {
    let stub = Stub::start(vec![("GET /v1/holds/hold_1", 200, answers::hold("pending"))]);
    let told = online(&stub, &["holds", "approve", "hold_1"]);
    assert!(told.starts_with("status 2\n"), "{told}");
    assert!(stub.requests().iter().all(|request| request.line.starts_with("GET ")));
}

#[test]
fn a_fingerprint_that_was_seen_elsewhere_is_sent_as_it_is() {
    let stub =
        Stub::start(vec![("POST /v1/holds/hold_1/decision", 200, answers::hold("rejected"))]);
    let other = "cd".repeat(32);
    let told =
        online(&stub, &["holds", "reject", "hold_1", "--fingerprint", &other, "--comment", "no"]);
    assert!(told.starts_with("status 0\n"), "{told}");
    assert_eq!(stub.requests().len(), 1);
    assert!(stub.requests()[0].body.contains(&other));
}

#[test]
fn the_status_of_the_cluster_ends_in_a_verdict() {
    let stub = Stub::start(vec![("GET /v1/cluster", 200, answers::cluster(1))]);
    assert_snapshot!(online(&stub, &["cluster", "status"]));
    let stub = Stub::start(vec![("GET /v1/cluster", 200, answers::cluster(0))]);
    assert_snapshot!(online(&stub, &["cluster", "status"]));
}

/// The parts of what a command said.
fn parts(told: &str) -> (&str, &str) {
    let (_, rest) = told.split_once("--- stdout\n").unwrap();
    rest.split_once("--- stderr\n").unwrap()
}

#[test]
fn a_script_gets_the_answer_and_the_problem_each_as_one_document() {
    let stub = Stub::start(vec![("GET /v1/cluster", 200, answers::cluster(0))]);
    let told = online(&stub, &["cluster", "status", "-o", "json"]);
    let (stdout, stderr) = parts(&told);
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(stdout)["quorum"], false);
    assert_eq!(read(stderr)["exit_status"], 8);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.cedar");
    std::fs::write(&file, "permit(principal, action, resource").unwrap();
    let told = offline(&["policy", "check", file.to_str().unwrap(), "-o", "json"]);
    let (stdout, stderr) = parts(&told);
    assert_eq!(read(stdout)["ok"], false);
    assert_eq!(read(stderr)["exit_status"], 1);
    let told = offline(&["policy", "schema", "-o", "json"]);
    assert!(read(parts(&told).0)["cedar_schema"].as_str().unwrap().contains("entity"));
}

#[test]
fn a_script_is_shown_no_table_and_asked_nothing() {
    let stub = Stub::start(vec![
        ("GET /v1/holds/hold_1", 200, answers::hold("pending")),
        ("POST /v1/holds/hold_1/decision", 200, answers::hold("approved")),
    ]);
    let told = online(&stub, &["holds", "approve", "hold_1", "--yes", "-o", "json"]);
    let (stdout, stderr) = parts(&told);
    assert_eq!(serde_json::from_str::<serde_json::Value>(stdout).unwrap()["id"], "hold_1");
    assert_eq!(stderr, "");
}

#[test]
fn a_hold_that_has_ended_has_status_7_and_one_that_was_decided_9() {
    let settled = json!({
        "type": "urn:countersign:problem:hold-settled", "title": "T", "status": 409, "detail": "why",
    });
    for (state, status) in
        [("expired", 7), ("withdrawn", 7), ("invalidated", 7), ("rejected", 9), ("consumed", 9)]
    {
        let stub = Stub::start(vec![
            ("GET /v1/holds/hold_1", 200, answers::hold(state)),
            ("POST /v1/holds/hold_1/decision", 409, settled.clone()),
            ("POST /v1/holds/hold_1/withdraw", 409, settled.clone()),
        ]);
        for command in [
            &["holds", "approve", "hold_1", "--yes"][..],
            &["holds", "reject", "hold_1", "--yes", "--comment", "no"],
            &["holds", "withdraw", "hold_1"],
        ] {
            let told = online(&stub, command);
            assert!(told.starts_with(&format!("status {status}\n")), "{state} {command:?}: {told}");
        }
    }
}

#[test]
fn a_withdrawal_says_what_became_of_the_hold() {
    let stub =
        Stub::start(vec![("POST /v1/holds/hold_1/withdraw", 200, answers::hold("withdrawn"))]);
    let told = online(&stub, &["holds", "withdraw", "hold_1", "--comment", "not needed"]);
    assert_eq!(told, "status 0\n--- stdout\nhold_1 is withdrawn\n--- stderr\n");
    assert!(stub.requests()[0].body.contains("not needed"));
}

#[test]
fn what_is_deleted_is_the_revision_that_was_seen() {
    let resource = json!({
        "kind": "Policy", "name": "sample", "revision": 12, "spec": {"cedar": ""},
        "updated_at": "2026-11-22T20:00:00.000Z", "author": "ada",
    });
    let stub = Stub::start(vec![
        ("GET /v1/resources/Policy/sample", 200, resource),
        ("POST /v1/apply", 200, answers::applied()),
    ]);
    let told = online(&stub, &["delete", "policy", "sample", "--comment", "old"]);
    assert!(told.starts_with("status 0\n"), "{told}");
    let sent: serde_json::Value = serde_json::from_str(&stub.requests()[1].body).unwrap();
    let wanted = json!([{"kind": "Policy", "name": "sample", "revision": 12}]);
    assert_eq!((&sent["delete"], &sent["allow_lockout"]), (&wanted, &json!(false)), "{sent}");
}

#[test]
fn a_diff_shows_the_lines_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, "kind: Policy\nname: sample\nspec:\n  cedar: |\n    permit();\n")
        .unwrap();
    let stub = Stub::start(vec![("POST /v1/apply", 200, answers::applied())]);
    assert_snapshot!(online(&stub, &["diff", "-f", file.to_str().unwrap()]));
    let sent: serde_json::Value = serde_json::from_str(&stub.requests()[0].body).unwrap();
    assert_eq!(sent["dry_run"], true);
    assert_eq!(sent["documents"][0]["spec"]["cedar"], "permit();\n");
}

#[test]
fn a_document_that_cannot_be_read_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "kind: Policy\nname: a\nname: b\nspec: {}\n")
        .unwrap();
    let output =
        ctl(folder.path(), &["apply", "-f", "a.yaml"]).current_dir(folder.path()).output().unwrap();
    assert_snapshot!(told(&output));
}

#[test]
fn an_exported_chain_is_verified_and_a_cut_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = include_str!("../../../node/api/tests/export/frozen.jsonl");
    let (cut, _end) = whole.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(folder.path().join("whole.jsonl"), whole).unwrap();
    std::fs::write(folder.path().join("cut.jsonl"), format!("{cut}\n")).unwrap();
    let run = |file| {
        ctl(folder.path(), &["audit", "verify", file]).current_dir(folder.path()).output().unwrap()
    };
    assert_snapshot!(told(&run("whole.jsonl")));
    assert_snapshot!(told(&run("cut.jsonl")));
}

#[test]
fn what_a_lost_leader_has_left_beside_a_file_of_the_archive_is_in_no_verifications_way() {
    let folder = tempfile::tempdir().unwrap();
    let whole = include_str!("../../../node/api/tests/export/frozen.jsonl");
    let named = |digit: &str| format!("0000000001-{}.jsonl.zst", digit.repeat(64));
    let verify = || {
        told(
            &ctl(folder.path(), &["audit", "verify", "."])
                .current_dir(folder.path())
                .output()
                .unwrap(),
        )
    };
    let (cut, _end) = whole.trim_end().rsplit_once('\n').unwrap();
    for (left, right) in [("a", "b"), ("b", "a")] {
        std::fs::write(folder.path().join(named(left)), cut).unwrap();
        std::fs::write(folder.path().join(named(right)), whole).unwrap();
        assert!(verify().starts_with("status 0\n"), "{}", verify());
    }
    // One that stands alone, or under a number of its own, must hold.
    std::fs::write(folder.path().join(named("c").replace("01-", "02-")), cut).unwrap();
    assert!(verify().starts_with("status 1\n"), "{}", verify());
}

#[test]
fn policies_are_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let text = "permit(principal, action == Action::\"postgres:reads\", resource);\n";
    std::fs::write(folder.path().join("p.cedar"), text).unwrap();
    let output = ctl(folder.path(), &["policy", "check", "p.cedar"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_snapshot!(told(&output));
}

#[test]
fn contexts_are_added_listed_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| told(&ctl(folder.path(), arguments).output().unwrap());
    let add =
        run(&["context", "add", "prod", "--server", "https://a:1", "--server", "https://b:2"]);
    assert!(add.starts_with("status 0\n"), "{add}");
    run(&["context", "add", "test", "--server", "https://c:3"]);
    run(&["context", "use", "test"]);
    assert_snapshot!(run(&["context", "list"]));
    assert!(run(&["context", "use", "nowhere"]).starts_with("status 3\n"));
    let file = folder.path().join("countersign/contexts.toml");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn completions_of_every_shell_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = offline(&["completion", shell]);
        assert!(told.starts_with("status 0\n"), "{shell}");
        for word in ["holds", "transfer-leader", "partition"] {
            assert!(told.contains(word), "{shell} does not complete {word}");
        }
    }
    assert_snapshot!(offline(&["completion", "fish"]));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man");
    assert!(offline(&["man", dir.to_str().unwrap()]).starts_with("status 0\n"));
    for page in ["countersignctl.1", "countersignctl-holds-approve.1", "countersignctl-dev-up.1"] {
        assert!(dir.join(page).is_file(), "{page}");
    }
}
