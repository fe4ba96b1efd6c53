//! As whom, and to which server, a command speaks: the command line, the environment, the context.

use crate::{
    answers,
    cases::{ctl, told},
    stub::Stub,
};
use std::{path::Path, process::Command};

/// A context `prod` with this stub as its server and a token of its own.
fn add_context(folder: &Path, stub: &Stub) {
    std::fs::write(folder.join("kept"), "token-of-context").unwrap();
    let (ca, token) = (stub.ca_file(), folder.join("kept"));
    let output = ctl(folder, &["context", "add", "prod", "--server", stub.url()])
        .arg("--ca-file")
        .arg(ca)
        .arg("--token-file")
        .arg(token)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

fn stub() -> Stub {
    Stub::start(vec![("GET /v1/cluster", 200, answers::cluster(1))])
}

/// The bearer token of the only request.
fn bearer(stub: &Stub) -> String {
    let [request] = stub.requests().try_into().unwrap();
    let line = request.headers.lines().find(|line| line.starts_with("authorization:")).unwrap();
    line.trim_start_matches("authorization: Bearer ").to_owned()
}

fn runs(mut command: Command) -> String {
    let told = told(&command.output().unwrap());
    assert!(told.starts_with("status 0\n"), "{told}");
    told
}

#[test]
fn a_token_file_of_the_command_line_wins_over_a_token_of_the_environment() {
    let (folder, stub) = (tempfile::tempdir().unwrap(), stub());
    let file = folder.path().join("token");
    std::fs::write(&file, "token-of-file\n").unwrap();
    let mut command = ctl(folder.path(), &["cluster", "status", "--server", stub.url()]);
    command.arg("--ca-file").arg(stub.ca_file()).arg("--token-file").arg(&file);
    command.env("COUNTERSIGN_TOKEN", "token-of-environment");
    runs(command);
    assert_eq!(bearer(&stub), "token-of-file");
    let mut both = ctl(folder.path(), &["whoami", "--token", "a", "--token-file", "b"]);
    let told = told(&both.output().unwrap());
    assert!(told.starts_with("status 2\n"), "{told}");
}

#[test]
fn a_context_of_the_command_line_wins_over_servers_and_tokens_of_the_environment() {
    let (folder, own, other) = (tempfile::tempdir().unwrap(), stub(), stub());
    add_context(folder.path(), &own);
    let mut command = ctl(folder.path(), &["cluster", "status", "--context", "prod"]);
    command
        .env("COUNTERSIGN_SERVER", other.url())
        .env("COUNTERSIGN_CA_FILE", other.ca_file())
        .env("COUNTERSIGN_TOKEN", "token-of-environment");
    runs(command);
    assert_eq!(bearer(&own), "token-of-context");
    assert!(other.requests().is_empty());
}

#[test]
fn the_token_of_a_context_is_sent_to_its_own_servers_only() {
    let (folder, own, other) = (tempfile::tempdir().unwrap(), stub(), stub());
    add_context(folder.path(), &own);
    let mut command = ctl(folder.path(), &["cluster", "status", "--server", other.url()]);
    let output = command.arg("--ca-file").arg(other.ca_file()).output().unwrap();
    assert!(told(&output).starts_with("status 4\n"), "{}", told(&output));
    assert!(other.requests().is_empty());
    runs(ctl(folder.path(), &["cluster", "status", "--server", own.url()]));
    assert_eq!(bearer(&own), "token-of-context");
}

#[test]
fn a_token_from_stdin_is_read_once_however_many_clients_use_it() {
    let (folder, stub) = (tempfile::tempdir().unwrap(), stub());
    let mut command = ctl(folder.path(), &["cluster", "drain", "9", "--server", stub.url()]);
    command.arg("--ca-file").arg(stub.ca_file()).args(["--token-file", "-"]);
    let file = folder.path().join("token");
    std::fs::write(&file, "token-of-stdin").unwrap();
    let output = command.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert!(told(&output).starts_with("status 3\n"), "there is no node 9: {}", told(&output));
    assert_eq!(bearer(&stub), "token-of-stdin");
}

#[test]
fn a_short_token_is_all_that_stdout_has() {
    let (folder, token) = (tempfile::tempdir().unwrap(), "cs-token.cred_1.00");
    let answer = serde_json::json!({
        "access_token": token,
        "issued_token_type": countersign_api::token::ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "expires_at": "2026-11-22T21:00:00.000Z",
        "id": "cred_1",
    });
    let stub = Stub::start(vec![("POST /v1/token", 200, answer)]);
    let mut command = ctl(folder.path(), &["token", "--server", stub.url()]);
    command.arg("--ca-file").arg(stub.ca_file());
    let output = command.env("COUNTERSIGN_TOKEN", "an-agents-token").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{token}\n"));
    let [request] = stub.requests().try_into().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["subject_token"], "an-agents-token");
    assert_eq!(body["grant_type"], countersign_api::token::GRANT_TYPE);
}

#[test]
fn an_ssh_certificate_is_written_beside_the_key_that_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let answer = serde_json::json!({
        "id": "cred_1",
        "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA",
        "expires_at": "2026-11-22T21:00:00.000Z",
    });
    let stub = Stub::start(vec![("POST /v1/credentials/ssh", 200, answer)]);
    let out = folder.path().join("keys");
    let mut command = ctl(folder.path(), &["credential", "ssh", "--server", stub.url()]);
    command.arg("--ca-file").arg(stub.ca_file()).arg("--out").arg(&out);
    command.args(["--principal", "*@web", "--principal", "root@db"]).env_remove("SSH_AUTH_SOCK");
    command.env("COUNTERSIGN_TOKEN", "an-agents-token");
    runs(command);
    let [request] = stub.requests().try_into().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["principals"], serde_json::json!(["*@web", "root@db"]));
    let key = std::fs::read_to_string(out.join("id_countersign")).unwrap();
    assert!(key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"), "{key}");
    assert!(!request.body.contains("PRIVATE"));
    let certificate = std::fs::read_to_string(out.join("id_countersign-cert.pub")).unwrap();
    assert_eq!(certificate, "ssh-ed25519-cert-v01@openssh.com AAAA\n");
    // The public key that was sent is that of the key that was written.
    let derived = Command::new("ssh-keygen").arg("-yf").arg(out.join("id_countersign")).output();
    let derived = String::from_utf8(derived.unwrap().stdout).unwrap();
    assert_eq!(derived.trim(), body["public_key"].as_str().unwrap());
}
