//! The record can be verified by anyone, without a node, and notices whatever was done to it.

use countersign_tests::{cluster::Cluster, psql};
use serde_json::Value;
use std::{fs, path::Path};
use tokio::process::Command;

/// Verifies a copy with what an auditor has noted: a key, or nothing.
async fn verify(cluster: &Cluster, file: &Path, key: Option<&str>) -> (bool, String) {
    // No server, no token: a copy must be enough.
    let output = Command::new(cluster.environment().get("CS_CTL").unwrap())
        .args(["--no-color", "audit", "verify"])
        .arg(file)
        .args(key.map(|key| format!("--key={key}")))
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

/// What a command of `audit` says, as the administrator.
async fn audit(cluster: &Cluster, node: usize, arguments: &[&str]) -> String {
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let mut command = cluster.control(node, admin).unwrap();
    let output = command.arg("audit").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The keys that the cluster shows.
async fn keys(cluster: &Cluster, node: usize, command: &str) -> Vec<String> {
    let shown: Value =
        serde_json::from_str(&audit(cluster, node, &[command, "-o", "json"]).await).unwrap();
    let keys = shown["keys"].as_array().unwrap();
    keys.iter().map(|key| key["key"].as_str().unwrap().to_owned()).collect()
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
    let noted = keys(&cluster, 1, "keys").await.remove(0);
    let text = audit(&cluster, 3, &["export"]).await;
    let file = cluster.path().join("audit.jsonl");
    fs::write(&file, &text).unwrap();
    let (good, said) = verify(&cluster, &file, Some(&noted)).await;
    assert!(good, "{said}");
    let (good, said) = verify(&cluster, &file, None).await;
    assert!(good && said.contains("nothing says that this key is the cluster's"), "{said}");

    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() > 12, "{text}");
    let middle = lines.len() / 2;
    let mut missing = lines.clone();
    missing.remove(middle);
    let mut swapped = lines.clone();
    swapped.swap(middle, middle + 1);
    let mut doubled = lines.clone();
    doubled.insert(middle, lines[middle]);
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let forgeries = [
        ("a line is missing", joined(&missing)),
        ("the first line is missing", joined(&lines[1..])),
        (
            "the last event is missing",
            joined(&[&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat()),
        ),
        ("two lines are swapped", joined(&swapped)),
        ("a line is there twice", joined(&doubled)),
        ("a word is changed", text.replacen("ci-bot", "ci-bat", 1)),
        ("the end is torn off", text[..text.len() - 40].to_owned()),
        ("the last line is missing", joined(&lines[..lines.len() - 1])),
        ("it is empty", String::new()),
    ];
    for (what, forged) in forgeries {
        fs::write(&file, forged).unwrap();
        let (good, said) = verify(&cluster, &file, None).await;
        assert!(!good, "{what}, and it verified: {said}");
    }

    // A new key, asked for at another node: who has noted the old one, or the new one, can verify what comes after.
    let rotated = keys(&cluster, 2, "rotate-key").await;
    assert_eq!((rotated.len(), &rotated[0]), (2, &noted));
    fs::write(&file, audit(&cluster, 1, &["export"]).await).unwrap();
    for key in &rotated {
        let (good, said) = verify(&cluster, &file, Some(key)).await;
        assert!(good, "{said}");
    }
    let (good, said) = verify(&cluster, &file, Some(&"ab".repeat(32))).await;
    assert!(!good && said.contains("signed by somebody else"), "{said}");
    let live = audit(&cluster, 1, &["verify", "--live", "--key", &noted]).await;
    assert_eq!(live.matches("same chain").count(), 3, "{live}");
    let exports =
        audit(&cluster, 2, &["search", "--kind", "checkpoint", "--text", "export of"]).await;
    assert!(
        exports.matches("ada").count() >= 2,
        "who has taken the audit away is in it: {exports}"
    );
    archives(&cluster, &noted).await;
    cluster.check_logs(&[]).unwrap();
}

/// A directory of compressed files is proved and searched like the cluster itself.
async fn archives(cluster: &Cluster, noted: &str) {
    let folder = cluster.path().join("archive");
    let path = folder.to_str().unwrap();
    audit(cluster, 2, &["export", "--format", "ocsf", "--dir", path]).await;
    let (good, said) = verify(cluster, &folder, Some(noted)).await;
    assert!(good, "{said}");
    let query = ["search", "agent:ci-bot kind:intent -target:none", "-o", "json"];
    let live = audit(cluster, 1, &query).await;
    assert!(live.contains("SELECT id FROM orders"), "{live}");
    let archived = audit(cluster, 1, &[&query[..], &["--archive", path]].concat()).await;
    assert_eq!(live, archived);
    let logins = audit(cluster, 3, &["search", "kind:signed_in", "ada"]).await;
    assert!(logins.contains("ada"), "that the administrator has come is on record: {logins}");
    let leads =
        audit(cluster, 3, &["search", "kind:cluster_changed", "\"another node leads\""]).await;
    assert!(leads.contains("leads"), "{leads}");

    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for damaged in [&flipped[..], &whole[..whole.len() - 9]] {
        fs::write(&file, damaged).unwrap();
        let (good, said) = verify(cluster, &folder, Some(noted)).await;
        assert!(!good, "{said}");
    }
}
