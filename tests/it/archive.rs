//! The audit of a real cluster goes to its archive, file by file, and nobody who reads the audit notices.

use countersign_tests::{
    api::field,
    cluster::Cluster,
    node_log::PEER_LOSS,
    psql,
    wait::{self, Look, PATIENCE},
};
use serde_json::Value;
use std::{fs, io::Write as _, path::Path};

/// What the nodes are told in addition.
async fn configure(cluster: &mut Cluster, archive: &Path) {
    for node in cluster.every_node() {
        let data = cluster.environment().of_node("CS_DATA", node).unwrap();
        let file = Path::new(data).parent().unwrap().join("node.toml");
        let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
        writeln!(file, "[archive]\nshared_folder = \"{}\"\nafter_minutes = 0", archive.display())
            .unwrap();
        cluster.kill(node).await.unwrap();
        cluster.start_node(node).await.unwrap();
    }
}

/// What a command of `audit` says on a node, as the administrator.
async fn audit(cluster: &Cluster, node: usize, arguments: &[&str]) -> String {
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let mut command = cluster.control(node, admin).unwrap();
    let output = command.arg("audit").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Has the chain signed as it is, and waits until file `number` is entered.
async fn archived(cluster: &Cluster, node: usize, number: u64) -> Value {
    audit(cluster, node, &["export"]).await;
    let admin = cluster.api(node, "CS_ADMIN_TOKEN").unwrap();
    wait::until("a file of the archive", PATIENCE, async || {
        let events = admin.events_of("cluster_changed").await?;
        let found = events.iter().find(|event| field(event, "archive.file") == number.to_string());
        Ok(Look::some(found.cloned(), "there is none"))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_searched_exported_and_verified_wherever_its_events_are() {
    let mut cluster = Cluster::start().await.unwrap();
    for node in cluster.every_node() {
        let login = cluster.login(node).unwrap();
        let said = psql::run(&login, "SELECT id FROM orders WHERE id = 1").await.unwrap();
        assert_eq!(said.code, Some(0));
    }
    let query = ["search", "agent:ci-bot kind:intent", "-o", "json"];
    let before = audit(&cluster, 1, &query).await;
    let whole = audit(&cluster, 1, &["export"]).await;
    let archive = cluster.path().join("shared");
    fs::create_dir(&archive).unwrap();
    configure(&mut cluster, &archive).await;
    let first = archived(&cluster, 2, 1).await;
    assert_eq!(field(&first, "archive.first"), "1");

    // The leader is lost, and the next one goes on with the second file.
    let leader = cluster.leader(1).await.unwrap();
    cluster.kill(leader).await.unwrap();
    let other = leader % 3 + 1;
    cluster.until_ready(other).await.unwrap();
    let second = archived(&cluster, other, 2).await;
    let follows = field(&first, "archive.last").parse::<u64>().unwrap() + 1;
    assert_eq!(field(&second, "archive.first"), follows.to_string());
    cluster.start_node(leader).await.unwrap();

    for node in cluster.every_node() {
        assert_eq!(audit(&cluster, node, &query).await, before, "node {node}");
    }
    let live = audit(&cluster, 3, &["verify", "--live"]).await;
    assert_eq!(live.matches("same chain").count(), 3, "{live}");
    let again = audit(&cluster, 2, &["export"]).await;
    let events = |text: &str| -> Vec<String> {
        let events = text.lines().filter(|line| line.starts_with(r#"{"event""#));
        events.map(str::to_owned).collect()
    };
    let (known, now) = (events(&whole), events(&again));
    assert_eq!(now[..known.len()], known[..]);
    // The cluster's own part of what others could use too.
    let parts = fs::read_dir(&archive).unwrap().map(|part| part.unwrap().path());
    let [part] = parts.collect::<Vec<_>>().try_into().unwrap();
    let proved = audit(&cluster, 1, &["verify", part.to_str().unwrap()]).await;
    assert!(proved.contains("1 to "), "{proved}");
    let files = fs::read_dir(&part).unwrap().count();
    assert!(files >= 2, "{files}");
    // Whoever lost the lead may have been about to.
    cluster.check_logs(&[PEER_LOSS, &["not archived"]].concat()).unwrap();
}
