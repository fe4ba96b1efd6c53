//! What of a statement reaches the policy.

use countersign_core::operation::{Action as PolicyAction, Demand as PolicyDemand, Resource};

use super::super::{Action, classify};

fn relation(action: PolicyAction, schema: &str, name: &str) -> PolicyDemand {
    PolicyDemand {
        action,
        resource: Resource::Relation { schema: schema.to_owned(), name: name.to_owned() },
    }
}

fn target(action: PolicyAction) -> PolicyDemand {
    PolicyDemand { action, resource: Resource::Target }
}

#[test]
fn relations_are_asked_for_by_schema_and_everything_else_on_the_target() {
    let asked = classify("INSERT INTO a SELECT f(b.x) FROM s.b, pg_authid; NOTIFY c")
        .policy_demands(|_| Some("public".to_owned()));
    let expected = [
        relation(PolicyAction::PostgresRead, "s", "b"),
        relation(PolicyAction::PostgresRead, "pg_catalog", "pg_authid"),
        relation(PolicyAction::PostgresWrite, "public", "a"),
        target(PolicyAction::PostgresFunction),
        target(PolicyAction::PostgresNotify),
    ];
    assert_eq!(asked, expected.into());
}

#[test]
fn a_relation_in_no_known_schema_is_opaque_too() {
    let asked = classify("SELECT * FROM a").policy_demands(|_| None);
    let expected = [target(PolicyAction::PostgresRead), target(PolicyAction::PostgresOpaque)];
    assert_eq!(asked, expected.into());
}

#[test]
fn actions_are_called_the_same_here_and_in_policies() {
    let all = [
        Action::Read,
        Action::Write,
        Action::Ddl,
        Action::Privilege,
        Action::Role,
        Action::Function,
        Action::Lock,
        Action::Copy,
        Action::Program,
        Action::Session,
        Action::Preference,
        Action::Show,
        Action::Transaction,
        Action::Cursor,
        Action::Prepare,
        Action::Explain,
        Action::Notify,
        Action::Maintain,
        Action::Replication,
        Action::Admin,
        Action::Opaque,
    ];
    for action in all {
        assert_eq!(action.id(), action.policy_action().name());
    }
}
