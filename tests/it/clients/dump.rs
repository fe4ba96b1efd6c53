//! `pg_dump`, where policy allows it: over a target of its own, without schemas to look bare names up in, as it wants its
//! session to be. What comes out is what comes out at the target itself, but for the line in which it repeats the search
//! path that it was left with.

use super::with;
use countersign_tests::cluster::Cluster;
use serde_json::{Value, json};
use std::{path::Path, process::Output, time::Duration};
use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_mins(1);

/// The target of the sample once more, by the name `dump`, and a rule for whoever dumps.
pub(super) async fn documents(cluster: &Cluster) -> [Value; 2] {
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let target = admin.get("/v1/resources/Target/orders").await.unwrap();
    let mut spec = target.body["spec"].clone();
    spec["postgres"]["search_path"] = json!([]);
    let cedar = r#"
        @id("dumps") permit(principal in Group::"ci", action, resource in Target::"dump");
        @id("dumps-more") permit(principal in Group::"ci", action == Action::"postgres:opaque", resource in Target::"dump");"#;
    [
        json!({"kind": "Target", "name": "dump", "spec": spec}),
        json!({"kind": "Policy", "name": "dumps", "spec": {"cedar": cedar}}),
    ]
}

/// Dumps through a node and past it.
pub(super) async fn is_as_at_the_target(cluster: &Cluster, certificate: &Path) {
    let schema =
        "CREATE VIEW open_orders AS SELECT o.id, a.owner FROM orders o JOIN accounts a ON a.id = o.account;
         GRANT SELECT ON open_orders TO orders_app; GRANT SELECT ON parked TO orders_app";
    cluster.postgres.truth().await.unwrap().batch_execute(schema).await.unwrap();
    let login = cluster.login(2).unwrap().to("dump");
    let mut through = Command::new("pg_dump");
    let dumping = with(&mut through, &login, certificate)
        .env("PGPASSWORD", &login.token)
        .env("PGSSLMODE", "verify-full")
        .args(["--schema", "public"]);
    let through = said(timeout(PATIENCE, dumping.output()).await.unwrap().unwrap());
    let mut direct = Command::new("pg_dump");
    direct.args(["--schema", "public"]).arg(cluster.postgres.url());
    let direct = said(direct.output().await.unwrap());
    assert!(direct.contains("COPY public.orders (id, account, state, note) FROM stdin;"));
    assert!(direct.contains("FROM (public.orders o"), "names in it are qualified");
    assert_eq!(through, direct);
}

/// The dump, without the words that are drawn at random, and without the search path of whoever restores it.
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all = String::from_utf8(output.stdout).unwrap();
    let apart = ["\\restrict ", "\\unrestrict ", "SELECT pg_catalog.set_config('search_path', "];
    let lines = all.lines().filter(|line| !apart.iter().any(|start| line.starts_with(start)));
    lines.collect::<Vec<_>>().join("\n")
}
