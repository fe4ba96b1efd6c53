//! Who has come in, and who leads: recorded once each.

use super::harness::*;
use crate::{
    command::*,
    records::RequestId,
    reply::{Answer, StateRefusal},
};
use countersign_core::{id::NodeId, record::EventKind};

fn signed_in(id: u8, provider: &str) -> Command {
    Command::SignedIn(Box::new(SignedIn {
        id: RequestId([id; 16]),
        node: NodeId(2),
        source: "192.0.2.1:6000".to_owned(),
        author: ada(),
        provider: provider.to_owned(),
        roles: "admin".to_owned(),
    }))
}

#[test]
fn a_sign_in_is_recorded_once_with_who_and_from_where() {
    let mut replica = Replica::ready();
    for _ in 0..2 {
        assert_eq!(replica.run(signed_in(1, "people")), Ok(Answer::Done));
    }
    assert_eq!(replica.count(EventKind::SignedIn), 1);
    let event = replica.events().pop().unwrap();
    let facts = ["author", "provider", "roles", "node.id", "source.address"];
    let found = facts.map(|name| event.fields[name].as_str());
    assert_eq!(found, ["ada", "people", "admin", "2", "192.0.2.1:6000"]);
    replica.check_chain();
}

#[test]
fn a_sign_in_does_not_pass_for_another_request_or_fill_the_chain() {
    let mut replica = Replica::ready();
    let drain = Administered {
        id: RequestId([1; 16]),
        node: NodeId(1),
        what: "drain".to_owned(),
        author: ada(),
    };
    replica.run(Command::Administered(drain)).unwrap();
    assert_eq!(replica.run(signed_in(1, "people")), Err(StateRefusal::IdUsed));
    let refused = replica.run(signed_in(2, &"x".repeat(100_000)));
    assert!(matches!(refused, Err(StateRefusal::OverLimit { .. })), "{refused:?}");
}

#[test]
fn each_term_has_its_leader_on_record_once() {
    let mut replica = Replica::ready();
    let leads = |node, term| Command::Leads(Leads { node: NodeId(node), term });
    let before = replica.count(EventKind::ClusterChanged);
    for (node, term) in [(1, 3), (1, 3), (2, 5), (3, 4), (2, 5)] {
        assert_eq!(replica.run(leads(node, term)), Ok(Answer::Done));
    }
    assert_eq!(replica.count(EventKind::ClusterChanged), before + 2);
    let last = replica.events().pop().unwrap();
    assert_eq!((last.fields["node.id"].as_str(), last.fields["term"].as_str()), ("2", "5"));
}
