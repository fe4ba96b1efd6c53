//! The record can be verified by anyone, without a node, and notices whatever was done to it.

use countersign_tests::{cluster::Cluster, psql};
use std::{fs, path::Path};
use tokio::process::Command;

async fn verify(cluster: &Cluster, file: &Path) -> (bool, String) {
    // No server, no token: a copy must be enough.
    let output = Command::new(cluster.environment().get("CS_CTL").unwrap())
        .args(["--no-color", "audit", "verify"])
        .arg(file)
        .env_clear()
        .env("HOME", cluster.path())
        .output()
        .await
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_verifies_and_every_kind_of_forgery_does_not() {
    let cluster = Cluster::start().await.unwrap();
    for node in cluster.every_node() {
        for _ in 0..3 {
            let said = psql::run(&cluster.login(node).unwrap(), "SELECT id FROM orders LIMIT 1")
                .await
                .unwrap();
            assert_eq!(said.code, Some(0), "{said:?}");
        }
    }
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let exported =
        cluster.control(3, admin).unwrap().args(["audit", "export"]).output().await.unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let text = String::from_utf8(exported.stdout).unwrap();
    let file = cluster.path().join("audit.jsonl");
    fs::write(&file, &text).unwrap();
    let (good, said) = verify(&cluster, &file).await;
    assert!(good, "{said}");

    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() > 12, "{text}");
    let middle = lines.len() / 2;
    let mut missing = lines.clone();
    missing.remove(middle);
    let mut swapped = lines.clone();
    swapped.swap(middle, middle + 1);
    let mut doubled = lines.clone();
    doubled.insert(middle, lines[middle]);
    let forgeries = [
        ("a line is missing", missing.join("\n")),
        ("the first line is missing", lines[1..].join("\n")),
        (
            "the last event is missing",
            [&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat().join("\n"),
        ),
        ("two lines are swapped", swapped.join("\n")),
        ("a line is there twice", doubled.join("\n")),
        ("a word is changed", text.replacen("ci-bot", "ci-bat", 1)),
        ("the end is torn off", text[..text.len() - 40].to_owned()),
        ("it is empty", String::new()),
    ];
    for (what, forged) in forgeries {
        fs::write(&file, forged).unwrap();
        let (good, said) = verify(&cluster, &file).await;
        assert!(!good, "{what}, and it verified: {said}");
    }
    let live = cluster
        .control(1, admin)
        .unwrap()
        .args(["audit", "verify", "--live"])
        .output()
        .await
        .unwrap();
    assert!(live.status.success(), "{}", String::from_utf8_lossy(&live.stderr));
    cluster.check_logs(&[]).unwrap();
}
