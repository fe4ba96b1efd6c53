//! SSH through a cluster: OpenSSH's own client and server, a human in between, and a node that dies while it waits.

use countersign_tests::{
    api::{at, field},
    cluster::Cluster,
    node_log::PEER_LOSS,
    ssh_host,
};
use reqwest::Method;
use serde_json::json;
use std::process::Output;

async fn run(cluster: &Cluster, node: usize, line: &str) -> Output {
    ssh_host::client(cluster, node, line).unwrap().output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lets the cluster's sessions log in to the host by their certificates, in a role of the target's that has no key.
async fn certify(cluster: &Cluster, role: &str) {
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let keys = admin.get("/v1/ssh/keys").await.unwrap().body;
    let keys = keys["keys"].as_array().unwrap();
    let of_sessions = keys.iter().find(|key| key["role"] == "session_authority").unwrap();
    std::fs::write(ssh_host::authorities(cluster), at(of_sessions, "/public_key")).unwrap();
    let path = "/v1/resources/Target/web1";
    let mut spec = admin.get(path).await.unwrap().body["spec"].clone();
    let user = spec["ssh"]["roles"]["deploy"]["user"].clone();
    spec["ssh"]["roles"][role] = json!({"user": user});
    let put = admin.call(Method::PUT, path, Some(&json!({"spec": spec}))).await.unwrap();
    assert!(put.status.is_success(), "{put}");
    let index = put.body["revision"].as_u64().unwrap();
    admin.get(&format!("{path}?min_index={index}")).await.unwrap();
}

/// A file is copied through one node once it is approved at another, and the audit has what was in it.
async fn a_file_is_copied(cluster: &Cluster) {
    let (from, to) = (cluster.path().join("from"), cluster.path().join("to"));
    std::fs::write(&from, "abc").unwrap();
    let client = ssh_host::copier(cluster, 2, &from, &to).unwrap().spawn().unwrap();
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending("open write,create").await.unwrap();
    assert!(at(&hold, "/operation/text").ends_with("/to"), "{hold}");
    assert!(!to.exists(), "before the approval");
    reviewer.approve(&hold).await.unwrap();
    let copied = client.wait_with_output().await.unwrap();
    assert_eq!(copied.status.code(), Some(0), "{copied:?}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "abc");
    let consumed = reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    let auditor = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let operation = at(&consumed, "/consumed_by");
    let outcome = auditor.event("outcome", "operation.id", operation).await.unwrap();
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(field(&outcome, "outcome"), "completed");
    assert_eq!(field(&outcome, "word"), format!("closed; wrote 3 bytes sha256={sum}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_held_at_node_1_approved_at_node_3_and_survives_its_node() {
    let cluster = Cluster::before_an_ssh_host().await.unwrap();
    let plain = run(&cluster, 1, "uptime").await;
    assert_eq!(plain.status.code(), Some(0), "{plain:?}");
    assert!(text(&plain.stdout).contains("load average"), "{plain:?}");

    // The nodes are one host, by its key and by its certificate.
    let known = cluster.environment().get("CS_SSH_KNOWN_HOSTS").unwrap();
    let known = std::fs::read_to_string(known).unwrap();
    let (certified, pinned): (Vec<_>, Vec<_>) =
        known.lines().partition(|line| line.starts_with("@cert-authority "));
    for (name, lines, node) in [("certified", certified, 2), ("pinned", pinned, 3)] {
        let file = cluster.path().join(name);
        std::fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();
        let client = ssh_host::client_that_knows(&file, "deploy", &cluster, (node, "uptime"));
        let ran = client.unwrap().output().await.unwrap();
        assert_eq!(ran.status.code(), Some(0), "{name}: {ran:?}");
    }

    // A role without a key logs in to the host by a certificate of the session's.
    certify(&cluster, "certified").await;
    let known = cluster.path().join("pinned");
    let client = ssh_host::client_that_knows(&known, "certified", &cluster, (1, "uptime"));
    let ran = client.unwrap().output().await.unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let log = std::fs::read_to_string(cluster.path().join("ssh/log")).unwrap();
    assert!(log.contains("ID countersign ses_"), "{log}");

    let mark = cluster.path().join("mark");
    let line = format!("echo ran >> {}; cat {0}; exit 5", mark.display());
    let client = ssh_host::client(&cluster, 1, &line).unwrap().spawn().unwrap();
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(&line).await.unwrap();
    assert_eq!(at(&hold, "/protocol"), "ssh");
    assert!(!mark.exists(), "before the approval");
    reviewer.approve(&hold).await.unwrap();
    let ran = client.wait_with_output().await.unwrap();
    assert_eq!((text(&ran.stdout).as_str(), ran.status.code()), ("ran\n", Some(5)), "{ran:?}");
    let told = text(&ran.stderr);
    let notice = format!("countersign: HELD id={} url=", at(&hold, "/id"));
    assert!(told.contains(&notice) && told.contains(at(&hold, "/key")), "{told}");
    let consumed = reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    let auditor = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let operation = at(&consumed, "/consumed_by");
    let outcome = auditor.event("outcome", "operation.id", operation).await.unwrap();
    assert_eq!(field(&outcome, "outcome"), "completed");

    a_file_is_copied(&cluster).await;

    // The same line again is another hold. Its node is killed while it waits; the retry elsewhere claims it, once.
    let client = ssh_host::client(&cluster, 1, &line).unwrap().spawn().unwrap();
    let hold = reviewer.pending(&line).await.unwrap();
    cluster.kill(1).await.unwrap();
    assert_ne!(client.wait_with_output().await.unwrap().status.code(), Some(0));
    reviewer.approve(&hold).await.unwrap();
    reviewer.until_state(at(&hold, "/id"), "approved").await.unwrap();
    let ran = run(&cluster, 2, &line).await;
    assert_eq!((text(&ran.stdout).as_str(), ran.status.code()), ("ran\nran\n", Some(5)), "{ran:?}");
    reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ran\nran\n");
    cluster.check_logs(PEER_LOSS).unwrap();
}
