//! The same scenario through every client that people really use, unmodified and all at once: log in with a token and with
//! a certificate, prepare, a transaction, COPY both ways, a masked read, holds that are approved, rejected, and parked and
//! repeated at another node, cancels while held and while running. Each client is a script in `clients/`, or a driver in
//! this process; tests/run.sh installs what they need. The table of the README says what each of them did here.
//!
//! A client says the name of each step that went as it should. It marks its statements, by which the reviewer here knows
//! what to do about them.

mod dump;
mod rust;

use countersign_tests::{
    agent::Login,
    api::{Api, at},
    cluster::Cluster,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

/// Where tests/run.sh has put the clients.
const CLIENTS: &str = "CS_TEST_CLIENTS";
/// How long all of them may take for all of it.
const PATIENCE: Duration = Duration::from_secs(150);
/// Between two looks of the reviewer.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// What a client does, in this order.
const STEPS: &[&str] = &[
    "token",
    "certificate",
    "prepared",
    "transaction",
    "copy-out",
    "copy-in",
    "masked",
    "approved",
    "rejected",
    "parked",
    "cancelled-held",
    "cancelled-running",
];

/// A client, and how it is run.
struct Client {
    name: &'static str,
    /// As the README calls it.
    called: &'static str,
    /// Steps that it has no way to do, whatever it speaks to.
    cannot: &'static [&'static str],
    way: Way,
}

/// How a client is run.
#[derive(Clone, Copy)]
enum Way {
    Shell,
    Python(&'static str, &'static str),
    Node,
    Java,
    Here,
}

const ALL: &[Client] = &[
    Client { name: "psql", called: "psql 15", cannot: &["prepared"], way: Way::Shell },
    Client {
        name: "pgbench",
        called: "pgbench 15",
        cannot: &["copy-out", "copy-in", "cancelled-held", "cancelled-running"],
        way: Way::Shell,
    },
    Client {
        name: "psycopg",
        called: "psycopg 3",
        cannot: &[],
        way: Way::Python("by_psycopg.py", include_str!("clients/by_psycopg.py")),
    },
    Client {
        name: "psycopg-pipeline",
        called: "psycopg 3 in libpq's pipeline mode",
        cannot: &["copy-out", "copy-in"],
        way: Way::Python("by_psycopg.py", include_str!("clients/by_psycopg.py")),
    },
    Client {
        name: "asyncpg",
        called: "asyncpg 0.32",
        cannot: &[],
        way: Way::Python("by_asyncpg.py", include_str!("clients/by_asyncpg.py")),
    },
    Client { name: "node-postgres", called: "node-postgres 8", cannot: &[], way: Way::Node },
    Client { name: "pgjdbc", called: "pgjdbc 42.5", cannot: &[], way: Way::Java },
    Client { name: rust::NAME, called: "tokio-postgres 0.7", cannot: &[], way: Way::Here },
];

impl Client {
    /// The steps that it can do.
    fn steps(&self) -> Vec<&'static str> {
        STEPS.iter().filter(|step| !self.cannot.contains(step)).copied().collect()
    }

    /// Its row in the README.
    fn row(&self) -> String {
        let cells = STEPS.iter().map(|step| if self.cannot.contains(step) { "-" } else { "✓" });
        format!("| {} | {} |", self.called, cells.collect::<Vec<_>>().join(" | "))
    }

    /// The program and its arguments; scripts are written into the folder.
    fn program(&self, folder: &Path) -> Command {
        let named =
            |variable: &str| PathBuf::from(std::env::var_os(variable).expect("tests/run.sh"));
        let written = |folder: &Path, name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let (program, script) = match self.way {
            Way::Shell => {
                ("bash".into(), written(folder, "scenario.sh", include_str!("clients/scenario.sh")))
            }
            Way::Python(name, text) => (named("CS_TEST_PYTHON"), written(folder, name, text)),
            // Its modules are looked for beside it.
            Way::Node => {
                let modules = named(CLIENTS).join("node_modules");
                symlink(modules, folder.join("node_modules")).unwrap();
                let text = include_str!("clients/scenario.mjs");
                ("node".into(), written(folder, "scenario.mjs", text))
            }
            Way::Java => (
                "java".into(),
                written(folder, "Scenario.java", include_str!("clients/Scenario.java")),
            ),
            Way::Here => panic!("it is no process"),
        };
        let mut command = Command::new(program);
        if matches!(self.way, Way::Java) {
            command.args(["-cp", "/usr/share/java/postgresql.jar"]);
        }
        command.arg(script);
        command
    }

    /// Goes through the scenario; the steps that went as they should, and what was said beside.
    async fn goes(&self, cluster: &Cluster, certificate: &Path) -> (Vec<String>, String) {
        if matches!(self.way, Way::Here) {
            return (rust::goes(cluster, certificate).await, String::new());
        }
        let (login, other) = (cluster.login(1).unwrap(), cluster.login(3).unwrap());
        let folder = cluster.path().join(self.name);
        fs::create_dir(&folder).unwrap();
        let mut command = self.program(&folder);
        let output = with(&mut command, &login, certificate)
            .env("CLIENT", self.name)
            .env("OTHER_PORT", other.port.to_string())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (said.lines().map(str::to_owned).collect(), errors)
    }
}

/// Where to log in, as libpq's variables, and with what.
fn with<'a>(command: &'a mut Command, login: &Login, certificate: &Path) -> &'a mut Command {
    command
        .env("PGHOST", &login.host)
        .env("PGPORT", login.port.to_string())
        .env("PGDATABASE", &login.database)
        .env("PGUSER", &login.user)
        .env("TOKEN", &login.token)
        .env("PGSSLROOTCERT", &login.ca_file)
        .env("CERTIFICATES", certificate)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
}

/// A certificate of the agent's, by `countersignctl credential`: its folder.
async fn certificate(cluster: &Cluster) -> PathBuf {
    let folder = cluster.path().join("credential");
    let token = cluster.environment().get("CS_AGENT_TOKEN").unwrap().to_owned();
    let mut command = cluster.control(3, &token).unwrap();
    command.args(["credential", "postgres", "--out"]).arg(&folder);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // pgjdbc reads keys as DER.
    let converted = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"])
        .arg(folder.join("client.key"))
        .arg("-out")
        .arg(folder.join("client.pk8"))
        .output();
    assert!(converted.await.unwrap().status.success());
    folder
}

/// What the scenario needs beside the sample: a table on which nobody is kept waiting for long, and a masked column. What
/// `pg_dump` needs comes with it, since every change of a policy voids what is held.
async fn prepare(cluster: &Cluster) {
    let table = "CREATE TABLE parked (id text PRIMARY KEY); GRANT INSERT ON parked TO orders_app";
    cluster.postgres.truth().await.unwrap().batch_execute(table).await.unwrap();
    let cedar = r#"@id("parks") @hold("dba") @expires("1h") @wait("1s")
        permit(principal in Group::"ci", action == Action::"postgres:write", resource == Relation::"orders/public.parked");"#;
    let owners =
        json!({"targets": ["orders"], "columns": ["public.accounts.owner"], "mask": "redact"});
    let [target, dumps] = dump::documents(cluster).await;
    let documents = json!([
        {"kind": "Policy", "name": "clients", "spec": {"cedar": cedar}},
        {"kind": "MaskRule", "name": "owners", "spec": owners},
        target,
        dumps,
    ]);
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let answer = admin.post("/v1/apply", &json!({"documents": documents, "comment": ""})).await;
    let answer = answer.unwrap();
    assert!(answer.status.is_success(), "{answer}");
}

/// Decides as the scenario has it, again and again. What is to be cancelled is left alone; what is to be parked is approved
/// once nobody waits for it.
async fn review(reviewer: &Api) {
    loop {
        let pending = reviewer.get("/v1/holds?state=pending&limit=1000").await.unwrap();
        for hold in pending.items() {
            if let Some(decision) = decision(hold) {
                let answer = reviewer.decide(hold, decision).await.unwrap();
                // It may be over by now.
                assert!(answer.status.is_success() || answer.status == 409, "{answer}");
            }
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn decision(hold: &Value) -> Option<&'static str> {
    let text = at(hold, "/operation/text");
    if text.contains(" cancel'") || (text.contains("parked") && hold["waiting"] == true) {
        None
    } else if text.contains(" reject'") {
        Some("reject")
    } else {
        Some("approve")
    }
}

/// What was written is what was approved, once.
async fn truth(cluster: &Cluster, client: &Client) {
    let written = format!(
        "SELECT string_agg(id, ', ' ORDER BY id) FROM \
         (SELECT id FROM written UNION ALL SELECT id || ' parked' FROM parked) w WHERE id LIKE '{} %'",
        client.name
    );
    let row = cluster.postgres.truth().await.unwrap().query_one(&written, &[]).await.unwrap();
    let expected = [("copy-in", "copied"), ("approved", "approve"), ("parked", "parked")];
    let mut expected: Vec<String> = expected
        .iter()
        .filter(|(step, _)| !client.cannot.contains(step))
        .map(|(_, what)| format!("{} {what}", client.name))
        .collect();
    expected.sort();
    assert_eq!(row.get::<_, String>(0), expected.join(", "), "{}", client.name);
}

/// What was cancelled while it was held is withdrawn, and was never executed.
async fn withdrawn(reviewer: &Api, client: &Client) {
    if !client.cannot.contains(&"cancelled-held") {
        let text = format!("'{} cancel'", client.name);
        reviewer.hold_with(&text, "withdrawn").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_goes_through_the_same_scenario() {
    let cluster = Cluster::start().await.unwrap();
    let certificate = certificate(&cluster).await;
    prepare(&cluster).await;
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let all =
        futures::future::join_all(ALL.iter().map(|client| client.goes(&cluster, &certificate)));
    let all = async {
        tokio::select! {
            all = all => all,
            () = review(&reviewer) => unreachable!("it has no end"),
        }
    };
    let all = timeout(PATIENCE, all).await.expect("they did not end");
    for (client, (steps, errors)) in ALL.iter().zip(all) {
        assert_eq!(steps, client.steps(), "{}: {errors}", client.name);
        truth(&cluster, client).await;
        withdrawn(&reviewer, client).await;
    }
    dump::is_as_at_the_target(&cluster, &certificate).await;
    // Both ways to log in are told apart in the audit.
    let auditor = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let opened = auditor.events_of("session_opened").await.unwrap();
    let certified = opened.iter().filter(|event| !at(event, "/fields/credential.id").is_empty());
    let certified: BTreeSet<&str> = certified.map(|event| at(event, "/fields/client")).collect();
    assert_eq!(certified.len(), ALL.len(), "{certified:?}");
    cluster.check_logs(&[]).unwrap();
}

#[test]
fn the_readme_says_what_each_client_can_do() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    for client in ALL {
        assert!(readme.contains(&client.row()), "the README lacks:\n{}", client.row());
    }
}
