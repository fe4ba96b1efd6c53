//! The rules of a development cluster, asked about command lines.

#![expect(clippy::disallowed_methods, reason = "a test has no gate")]

use super::*;
use countersign_core::{
    agent::{Agent, Identity, Workload},
    id::{OperationId, Revision, SessionId},
    log_time::LogTime,
    mask::MaskRules,
    operation::{Classification, Operation, Transaction},
    policy::{Policies, PolicyDocument, Rules, Verdict, evaluate},
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::sync::Arc;

/// `ls`, `uptime` and `cat` of logs go through; everything else is held for `ops`.
const POLICY: &str = r#"
@id("plain") permit(principal in Group::"ci", action == Action::"ssh:query", resource in Target::"web1")
when { ["ls", "uptime", "cat"].containsAll(context.programs) };
@id("names") permit(principal in Group::"ci", action == Action::"ssh:list", resource in Target::"web1");
@id("logs") permit(
  principal in Group::"ci",
  action in [Action::"ssh:read", Action::"ssh:scan"],
  resource in Path::"web1:/var/log"
);
@id("rest") @hold("ops") permit(principal in Group::"ci", action in Action::"ssh", resource in Target::"web1")
unless {
  action == Action::"ssh:list" ||
  (action == Action::"ssh:query" && ["ls", "uptime", "cat"].containsAll(context.programs)) ||
  ((action == Action::"ssh:read" || action == Action::"ssh:scan") && resource in Path::"web1:/var/log")
};
"#;

fn session() -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: Identity { issuer: "https://issuer".to_owned(), subject: "bot".to_owned() },
            name: "bot".to_owned(),
            owner: None,
            groups: ["ci".to_owned()].into(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse("web1").unwrap(),
            revision: Revision(2),
            protocol: Protocol::Ssh,
        },
        role: "deploy".to_owned(),
        opened_at: LogTime(1),
    })
}

fn verdict(policy: &str, line: &str) -> &'static str {
    let documents = [PolicyDocument { name: "sample".to_owned(), text: policy.to_owned() }];
    let policies = Policies::compile(&documents).unwrap();
    let rules = Rules { policies, masks: MaskRules::none(Revision(7)) };
    let session = session();
    let classified = classify(line.as_bytes());
    let operation = Operation::classified(
        &session,
        Classification {
            id: OperationId::from_bytes([1; 16]),
            text: Arc::from(line.as_bytes()),
            parameters: Vec::new(),
            settings: Arc::default(),
            summary: classified.summary.as_str().into(),
            effect: classified.effect(),
            demands: classified.demands.into(),
            columns: Arc::default(),
            commands: classified.commands.into(),
            transaction: Transaction::None,
            shape: None,
            context: Arc::default(),
        },
    );
    match evaluate(&rules, &session, &operation) {
        Verdict::Allow(_) => "allow",
        Verdict::Hold(_) => "hold",
        Verdict::Deny(_) => "deny",
    }
}

#[test]
fn plain_reads_go_through_and_everything_else_is_held() {
    let allowed = [
        "ls",
        "ls -la /etc",
        "uptime",
        "cat /var/log/syslog",
        "cat /var/log/*",
        "cat /var/log/a/b",
        "uptime; ls",
        "ls | cat",
        "cat < /var/log/syslog",
    ];
    for line in allowed {
        assert_eq!(verdict(POLICY, line), "allow", "{line}");
    }
    let held = [
        "cat /etc/shadow",
        "cat /var/log/../../etc/shadow",
        "cat /var/log/syslog /etc/shadow",
        "cat /var/logs",
        "cat /var/*/syslog",
        "cat log",
        "whoami",
        "ls > x",
        "ls; rm x",
        "uptime --unknown",
        "cat /var/log/$X",
        "systemctl restart nginx",
        "",
        "sh -c ls",
        "cat /proc/self/cwd/syslog",
        "cat /var/log/syslog > /var/log/other",
    ];
    for line in held {
        assert_eq!(verdict(POLICY, line), "hold", "{line}");
    }
}

#[test]
fn what_is_not_understood_is_reached_only_by_a_rule_that_names_it() {
    let everything = "permit(principal, action, resource);";
    let group = r#"permit(principal, action in Action::"ssh", resource);"#;
    for policy in [everything, group] {
        assert_eq!(verdict(policy, "rm x"), "allow");
        assert_eq!(verdict(policy, "rm $x"), "deny");
        assert_eq!(verdict(policy, "xargs rm"), "deny");
        assert_eq!(verdict(policy, ""), "deny");
    }
    let named =
        format!(r#"{everything} permit(principal, action == Action::"ssh:opaque", resource);"#);
    assert_eq!(verdict(&named, "rm $x"), "allow");
}

#[test]
fn a_rule_can_ask_for_exact_commands() {
    let policy = r#"permit(principal, action == Action::"ssh:exec", resource in Target::"web1")
        when { ["systemd-notify --ready", "touch '/srv/a b'"].containsAll(context.commands) };"#;
    assert_eq!(verdict(policy, "systemd-notify --ready"), "allow");
    assert_eq!(verdict(policy, "systemd-notify  --ready; touch \"/srv/a b\""), "allow");
    for line in
        ["systemd-notify", "touch /srv/a b", "systemd-notify --ready > x", "touch '/srv/a b' c"]
    {
        assert_eq!(verdict(policy, line), "deny", "{line}");
    }
}
