//! A real kubectl and a real API server with a cluster in between, and humans.

use countersign_tests::{
    api::{at, field},
    api_server::{ApiServer, User},
    cluster::Cluster,
    kubectl,
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::process::Output;

const CONFIGMAPS: &str = "/api/v1/namespaces/dev/configmaps";
const VALUE: &str = "aHVudGVyMg==";

async fn run(cluster: &Cluster, node: usize, arguments: &[&str]) -> Output {
    kubectl::client(cluster, node, arguments).unwrap().output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the test acts on, made past the gateway.
async fn furnish(server: &ApiServer) {
    let direct = server.direct(User::Admin).unwrap();
    let named = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let mut made = vec![("/api/v1/namespaces".to_owned(), named("Namespace", "dev"))];
    for name in ["settings", "parked", "late"] {
        made.push((CONFIGMAPS.to_owned(), named("ConfigMap", name)));
    }
    let mut secret = named("Secret", "db");
    secret["data"] = json!({"password": VALUE});
    made.push(("/api/v1/namespaces/dev/secrets".to_owned(), secret));
    let mut pod = named("Pod", "web");
    pod["spec"] = json!({"containers": [{"name": "web", "image": "web"}]});
    made.push(("/api/v1/namespaces/dev/pods".to_owned(), pod));
    for (path, object) in made {
        let answer = direct.post(&path, &object).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer}");
    }
}

/// How often the server was asked to delete a configmap, whatever came of it.
fn deletions(server: &ApiServer, name: &str) -> usize {
    let events = server.audited().unwrap();
    let deletes = |event: &&serde_json::Value| {
        event["verb"] == "delete" && event["objectRef"]["name"] == name
    };
    events.iter().filter(deletes).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_is_held_at_one_node_approved_at_another_and_done_once() {
    let cluster = Cluster::before_an_api_server().await.unwrap();
    let server = cluster.api_server().unwrap();
    furnish(server).await;
    let path = |name: &str| format!("{CONFIGMAPS}/{name}");

    // This one waits until its time is over, while the others go on.
    let waiting = kubectl::api(&cluster, 1).unwrap();
    let late = path("late");
    let late = tokio::spawn(async move { waiting.call(Method::DELETE, &late, None).await });

    let ran = run(&cluster, 2, &["get", "configmaps", "-n", "dev", "-o", "name"]).await;
    assert_eq!(
        text(&ran.stdout),
        "configmap/late\nconfigmap/parked\nconfigmap/settings\n",
        "{ran:?}"
    );
    let ran = run(&cluster, 3, &["get", "secret", "db", "-n", "dev", "-o", "yaml"]).await;
    let shown = text(&ran.stdout);
    assert!(shown.contains("password:") && !shown.contains(VALUE), "{ran:?}");

    let delete = ["delete", "configmap", "settings", "-n", "dev"];
    let client = kubectl::client(&cluster, 1, &delete).unwrap().spawn().unwrap();
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(&path("settings")).await.unwrap();
    assert_eq!(at(&hold, "/protocol"), "kubernetes");
    assert_eq!(deletions(server, "settings"), 0, "before the approval");
    reviewer.approve(&hold).await.unwrap();
    let ran = client.wait_with_output().await.unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(text(&ran.stderr).contains(at(&hold, "/id")), "the warning: {ran:?}");
    assert_eq!(deletions(server, "settings"), 1);
    let consumed = reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    let auditor = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let operation = at(&consumed, "/consumed_by");
    let outcome = auditor.event("outcome", "operation.id", operation).await.unwrap();
    assert_eq!(field(&outcome, "outcome"), "completed");

    // kubectl is told at once what its command waits for. The pod is on no node, which the server says behind the approval.
    let exec = ["exec", "-n", "dev", "web", "--", "id"];
    let client = kubectl::client(&cluster, 2, &exec).unwrap().spawn().unwrap();
    let hold = reviewer.pending("/api/v1/namespaces/dev/pods/web/exec?").await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    let ran = client.wait_with_output().await.unwrap();
    let told = text(&ran.stderr);
    assert!(told.contains(&format!("countersign: HELD id={}", at(&hold, "/id"))), "{ran:?}");
    assert!(told.contains("does not have a host assigned"), "{ran:?}");

    // A client that goes away parks its hold; the same request at another node takes the approval up.
    let gone = kubectl::api(&cluster, 1).unwrap();
    let asked = path("parked");
    let gone = tokio::spawn(async move { gone.call(Method::DELETE, &asked, None).await });
    let hold = reviewer.pending(&path("parked")).await.unwrap();
    gone.abort();
    reviewer.approve(&hold).await.unwrap();
    reviewer.until_state(at(&hold, "/id"), "approved").await.unwrap();
    let other = kubectl::api(&cluster, 2).unwrap();
    let answer = other.call(Method::DELETE, &path("parked"), None).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();

    // So does a repeat of what was told to come again.
    let answer = late.await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    let hold = reviewer.pending(&path("late")).await.unwrap();
    assert!(answer.text("/message").contains(at(&hold, "/id")), "{answer}");
    let repeated = path("late");
    let repeat = tokio::spawn(async move { other.call(Method::DELETE, &repeated, None).await });
    reviewer.approve(&hold).await.unwrap();
    let answer = repeat.await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    for name in ["settings", "parked", "late"] {
        assert_eq!(deletions(server, name), 1, "{name}");
    }
    cluster.check_logs(&[]).unwrap();
}
