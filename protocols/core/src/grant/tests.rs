//! What a grant covers, and that it covers nothing else.
#![expect(clippy::disallowed_methods, reason = "tests stand in for the gate and the adapter")]

use super::*;
use crate::{
    agent::{Agent, Workload},
    hold::{ReasonRule, RejectionRule, Requirement, Reviewers},
    id::{OperationId, SessionId},
    mask::MaskRules,
    operation::{Action, Classification, Demand, Effect, Resource, Transaction},
    session::Opening,
    target::{Protocol, Target},
};
use std::{collections::BTreeSet, sync::Arc};

const NOW: LogTime = LogTime(100);
const SHAPE: &str = "delete from t where id = $1";

fn who(subject: &str) -> Identity {
    Identity { issuer: "https://issuer".to_owned(), subject: subject.to_owned() }
}

fn session(subject: &str, owner: Option<&str>, target_revision: u64) -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: who(subject),
            name: subject.to_owned(),
            owner: owner.map(str::to_owned),
            groups: BTreeSet::new(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse("orders").unwrap(),
            revision: Revision(target_revision),
            protocol: Protocol::Postgres,
        },
        role: "app".to_owned(),
        opened_at: LogTime(0),
    })
}

fn classified(shape: Option<&str>, search_path: &str, table: &str) -> Classification {
    let resource = Resource::Relation { schema: "public".to_owned(), name: table.to_owned() };
    Classification {
        id: OperationId::from_bytes([2; 16]),
        text: Arc::from(&b"delete from t where id = 7"[..]),
        parameters: Vec::new(),
        settings: Arc::from([("search_path".to_owned(), search_path.to_owned())]),
        summary: "".into(),
        demands: Arc::new(BTreeSet::from([Demand { action: Action::PostgresWrite, resource }])),
        columns: Arc::default(),
        commands: Arc::default(),
        shape: shape.map(Arc::from),
        effect: Effect::Lasting,
        transaction: Transaction::None,
        context: Arc::default(),
    }
}

fn terms() -> HoldTerms {
    HoldTerms {
        requirements: vec![Requirement {
            reviewers: Reviewers::group("dba"),
            quorum: 1,
            escalation: None,
        }],
        expires_after_ms: 1_000,
        wait_ms: 100,
        reason: ReasonRule::Optional,
        grantable_ms: Some(500),
        rejection: RejectionRule::Ends,
        again_after_ms: 0,
        rules: vec!["writes".to_owned()],
        break_glass: None,
    }
}

fn granted() -> Grant {
    let template =
        Operation::classified(&session("bot", None, 5), classified(Some(SHAPE), "public", "t"))
            .template()
            .unwrap();
    Grant {
        id: GrantId::from_bytes([3; 16]),
        agent: who("bot"),
        owner: None,
        target: TargetName::parse("orders").unwrap(),
        target_revision: Revision(5),
        template,
        terms: terms(),
        revision: Revision(7),
        expires_at: LogTime(200),
        state: GrantState::InForce,
    }
}

fn clears(grant: &Grant, session: &Session, found: Classification, asked: &HoldTerms) -> bool {
    let masks = MaskRules::none(Revision(7)).plan(session);
    let operation = Operation::classified(session, found);
    grant.clear((session, &operation), asked, masks, NOW).is_some()
}

#[test]
fn a_grant_covers_its_agent_target_and_template_under_its_revision_and_nothing_else() {
    let bot = session("bot", None, 5);
    let same = || classified(Some(SHAPE), "public", "t");
    assert!(clears(&granted(), &bot, same(), &terms()));
    // Another value of the same shape is what a grant is for.
    let other_value =
        Classification { text: Arc::from(&b"delete from t where id = 8"[..]), ..same() };
    assert!(clears(&granted(), &bot, other_value, &terms()));

    let covered = |session: &Session, found| clears(&granted(), session, found, &terms());
    assert!(!covered(&session("other", None, 5), same()), "another agent");
    assert!(!covered(&session("bot", Some("olga"), 5), same()), "another owner");
    assert!(!covered(&session("bot", None, 6), same()), "another target behind the name");
    assert!(!covered(&bot, classified(Some("delete from t"), "public", "t")), "another shape");
    assert!(!covered(&bot, classified(Some(SHAPE), "secret", "t")), "another search_path");
    assert!(!covered(&bot, classified(Some(SHAPE), "public", "u")), "another relation");
    assert!(!covered(&bot, classified(None, "public", "t")), "no shape");

    for stricter in [
        HoldTerms { rules: vec!["others".to_owned()], ..terms() },
        HoldTerms { reason: ReasonRule::Required, ..terms() },
        HoldTerms { grantable_ms: None, ..terms() },
        HoldTerms { requirements: Vec::new(), ..terms() },
    ] {
        assert!(!clears(&granted(), &bot, same(), &stricter), "{stricter:?}");
    }
    let sooner = HoldTerms { wait_ms: 1, ..terms() };
    assert!(clears(&granted(), &bot, same(), &sooner), "how long a client waits is no matter");
}

#[test]
fn a_grant_covers_nothing_at_its_end_or_under_another_revision() {
    let bot = session("bot", None, 5);
    let same = || classified(Some(SHAPE), "public", "t");
    let over = |change: &dyn Fn(&mut Grant)| {
        let mut grant = granted();
        change(&mut grant);
        assert!(!clears(&grant, &bot, same(), &terms()), "{grant:?}");
    };
    over(&|grant| grant.expires_at = NOW);
    over(&|grant| grant.revision = Revision(8));
    for end in [
        GrantEnd::Expired,
        GrantEnd::Revoked { reason: "why".to_owned() },
        GrantEnd::Invalidated { reason: "why".to_owned() },
    ] {
        over(&|grant| grant.state = GrantState::Over { end: end.clone(), at: LogTime(50) });
    }
}
