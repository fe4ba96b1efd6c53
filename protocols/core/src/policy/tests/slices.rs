//! Asking only the rules that can be reached changes no answer: compared with Cedar itself over all rules, and what is
//! explained is what decides.

use super::{
    super::{Asked, Finding, Matter, Part, Who, entities, explain, find},
    *,
};
use cedar_policy::{Authorizer, Decision, PolicySet, Request};
use proptest::prelude::*;
use std::str::FromStr;

const PRINCIPALS: &[&str] = &[
    "principal",
    "principal in Group::\"ci\"",
    "principal in Group::\"night\"",
    "principal == Agent::\"https://issuer#bot\"",
    "principal is Agent",
    "principal is Agent in Group::\"ci\"",
];
const ACTIONS: &[&str] = &[
    "action",
    "action in Action::\"postgres\"",
    "action in Action::\"ssh\"",
    "action == Action::\"postgres:read\"",
    "action in [Action::\"postgres:read\", Action::\"postgres:write\"]",
    "action in [Action::\"postgres:read\", Action::\"postgres\"]",
];
const RESOURCES: &[&str] = &[
    "resource",
    "resource in Target::\"orders\"",
    "resource in Schema::\"orders/public\"",
    "resource == Relation::\"orders/public.a\"",
    "resource is Relation",
    "resource is Relation in Schema::\"orders/other\"",
];
const CONDITIONS: &[&str] = &[
    "",
    "when { context.in_transaction }",
    "unless { context.tables.contains(\"public.a\") }",
    "when { principal.name == \"bot\" }",
];

prop_compose! {
    fn rule()(
        effect in prop::sample::select(&["permit", "permit", "@hold(\"dba\") permit", "forbid"][..]),
        principal in prop::sample::select(PRINCIPALS),
        action in prop::sample::select(ACTIONS),
        resource in prop::sample::select(RESOURCES),
        condition in prop::sample::select(CONDITIONS),
    ) -> String {
        format!("{effect}({principal}, {action}, {resource}) {condition};")
    }
}

fn matters() -> Vec<Matter> {
    let mut found = Vec::new();
    for groups in [&[][..], &["ci"], &["ci", "night"]] {
        for (action, acted) in [
            (Action::PostgresRead, relation("public", "a")),
            (Action::PostgresRead, relation("other", "a")),
            (Action::PostgresWrite, relation("public", "b")),
            (Action::PostgresDdl, Resource::Target),
        ] {
            let plain = session("bot", groups, "orders");
            let how = (Effect::Passing, Transaction::Open);
            let asked = Asked::of(&operation(&plain, &[on(action, acted)], how));
            found.push(Matter::new(Who::of(&plain), asked));
        }
    }
    found
}

/// What Cedar says of a demand when it is given all rules at once: the decision and how many rules decided.
fn by_all(rules: &PolicySet, policies: &Policies, matter: &Matter) -> (Decision, usize) {
    let demand = matter.asked.demands.first().unwrap();
    let (principal, mut known) = entities::principal(&matter.who).unwrap();
    let (resource, placed) = entities::resource(&matter.who, &demand.resource).unwrap();
    known.extend(placed);
    let action = entities::uid("Action", demand.action.name()).unwrap();
    let context = entities::context(matter).unwrap();
    let request = Request::new(principal, action, resource, context, None).unwrap();
    let known = policies.actions.clone().add_entities(known, None).unwrap();
    let response = Authorizer::new().is_authorized(&request, rules, &known);
    assert_eq!(response.diagnostics().errors().count(), 0);
    (response.decision(), response.diagnostics().reason().count())
}

fn deciding(explained: &[super::super::DemandExplained]) -> usize {
    let rules = || explained.iter().flat_map(|demand| &demand.rules);
    let forbids = rules().filter(|rule| rule.part == Part::Forbids).count();
    let permits = rules().filter(|rule| matches!(rule.part, Part::Permits | Part::Holds)).count();
    if forbids > 0 { forbids } else { permits }
}

proptest! {
    #[test]
    fn the_rules_in_reach_answer_as_all_of_them(rules in prop::collection::vec(rule(), 0..12)) {
        let text = rules.join("\n");
        let policies = compile(&text);
        let all = PolicySet::from_str(&text).unwrap();
        for matter in matters() {
            let (decision, count) = by_all(&all, &policies, &matter);
            let finding = find(&policies, matter.clone());
            prop_assert_eq!(
                decision == Decision::Deny,
                matches!(finding, Finding::Deny(_)),
                "{}\n{:?}: {:?}", text, matter, finding
            );
            prop_assert_eq!(deciding(&explain(&policies, &matter)), count, "{}\n{:?}", text, matter);
        }
    }
}

#[test]
fn an_explanation_names_what_decides_and_what_only_a_condition_kept_back() {
    let policies = compile(
        r#"
        @id("reads") permit(principal in Group::"ci", action == Action::"postgres:read", resource);
        @id("by-day") @hold("dba") @quorum("2") permit(principal, action, resource) when { context.in_transaction };
        @id("elsewhere") permit(principal, action, resource in Target::"stock");
        @id("never") forbid(principal, action, resource) when { context.role == "owner" };
    "#,
    );
    let plain = session("bot", &["ci"], "orders");
    let demands = [on(Action::PostgresRead, relation("public", "a"))];
    let shown = |how| {
        let matter = Matter::new(Who::of(&plain), Asked::of(&operation(&plain, &demands, how)));
        let explained = explain(&policies, &matter);
        let rules = explained[0].rules.iter();
        rules.map(|rule| format!("{} {}", rule.name, rule.words)).collect::<Vec<_>>()
    };
    assert_eq!(
        shown((Effect::Passing, Transaction::None)),
        [
            "reads permits it",
            "by-day would permit it, but its condition is not satisfied",
            "never would forbid it, but its condition is not satisfied",
        ]
    );
    assert_eq!(
        shown((Effect::Passing, Transaction::Open))[0],
        "by-day permits it once 2 of dba approve"
    );
}
