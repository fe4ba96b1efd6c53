//! Demands keep the names they came from, whatever the catalogue says about other names.

use super::Asked;
use crate::{
    classify::{Name, classify},
    target::{PostgresTarget, TargetAddress, TargetTls},
};
use countersign_core::{
    operation::{Action, Demand, Resource},
    target::TargetName,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn target(allow_functions: &[&str]) -> PostgresTarget {
    PostgresTarget {
        name: TargetName::parse("orders").unwrap(),
        address: TargetAddress::Unix { directory: "/tmp".into(), port: 5432 },
        tls: TargetTls::Disabled,
        databases: vec!["orders".to_owned()],
        search_path: vec!["public".to_owned(), "app".to_owned()],
        roles: BTreeMap::new(),
        read_limit: None,
        record_rows: crate::RecordedRows::None,
        allow_functions: allow_functions.iter().map(|&name| name.to_owned()).collect(),
        keepalive: countersign_edge::Keepalive::default(),
    }
}

fn read(schema: &str, name: &str) -> Demand {
    let resource = Resource::Relation { schema: schema.to_owned(), name: name.to_owned() };
    Demand { action: Action::PostgresRead, resource }
}

fn function() -> Demand {
    Demand { action: Action::PostgresFunction, resource: Resource::Target }
}

#[test]
fn what_a_bare_name_means_changes_nothing_about_a_qualified_one() {
    let text = "SELECT s.* FROM secret.accounts s WHERE EXISTS (SELECT FROM accounts)";
    let mut asked = Asked::of(&classify(text), &target(&[]));
    asked.resolve("accounts", "public");
    assert_eq!(asked.demands(), [read("secret", "accounts"), read("public", "accounts")].into());
}

#[test]
fn an_unresolved_name_is_everything_it_can_mean() {
    let asked = Asked::of(&classify("SELECT * FROM accounts"), &target(&[]));
    assert_eq!(asked.demands(), [read("public", "accounts"), read("app", "accounts")].into());
    assert_eq!(asked.actions(&Name::bare("accounts")), [Action::PostgresRead].into());
    assert!(asked.actions(&Name::in_schema("public", "accounts")).is_empty());
}

#[test]
fn a_function_that_is_declared_harmless_excuses_no_type_collation_or_class_of_its_name() {
    let target = target(&["mood"]);
    let asks = |text: &str| Asked::of(&classify(text), &target).demands().contains(&function());
    assert!(!asks("SELECT mood(1)"));
    for text in [
        "SELECT 'x'::mood",
        "SELECT mood(1), 'x'::mood[]",
        "SELECT mood('x' COLLATE other.mood), 'x'::mood",
        "SELECT * FROM t TABLESAMPLE mood (1)",
        "SELECT * FROM json_to_record('{}') AS x(a mood)",
        "CREATE INDEX ON t (a mood)",
    ] {
        assert!(asks(text), "{text}");
    }
}

#[test]
fn what_is_no_column_of_the_relation_that_it_is_named_of_names_every_column() {
    let every = "public.accounts.iban public.accounts.id";
    for (text, expected) in [
        ("SELECT a.id FROM accounts a", "public.accounts.id"),
        ("SELECT a.id, a.ctid, nothing FROM accounts a", "public.accounts.id"),
        ("SELECT a.concat FROM accounts a", every),
        ("SELECT public.accounts.of_a_later_release FROM accounts", every),
        ("SELECT x.c FROM (SELECT a.json_agg AS c FROM accounts a) x", every),
        ("SELECT concat FROM accounts a, (SELECT 1 AS concat) x", ""),
        ("DELETE FROM accounts WHERE id = 1 RETURNING accounts.concat", every),
        ("UPDATE accounts SET id = 1 RETURNING old.concat", every),
        ("COPY (SELECT a.quote_literal FROM accounts a) TO STDOUT", every),
    ] {
        let mut asked = Asked::of(&classify(text), &target(&[]));
        asked.resolve("accounts", "public");
        let columns = BTreeSet::from(["id", "iban"].map(ToOwned::to_owned));
        asked.know_columns("public", "accounts", &columns);
        let of = |column: &countersign_core::operation::NamedColumn| {
            let name = column.column.as_deref().unwrap_or("*");
            format!("{}.{}.{name}", column.schema, column.relation)
        };
        let found: Vec<String> = asked.columns().iter().map(of).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}

proptest! {
    /// Whatever the catalogue answers, every qualified table of a text stays demanded.
    #[test]
    fn no_answer_takes_the_demand_on_a_qualified_table_away(
        tables in prop::collection::vec(("[ab]", prop::option::of("[pq]")), 1..6),
        answers in prop::collection::vec(("[ab]", "[rs]"), 0..6),
    ) {
        let written: Vec<String> = tables.iter().enumerate().map(|(place, (name, schema))| {
            let schema = schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
            format!("{schema}{name} t{place}")
        }).collect();
        let mut asked = Asked::of(
            &classify(&format!("SELECT * FROM {}", written.join(", "))),
            &target(&[]),
        );
        for (name, schema) in &answers {
            asked.resolve(name, schema);
        }
        let demands = asked.demands();
        for (name, schema) in &tables {
            if let Some(schema) = schema {
                prop_assert!(demands.contains(&read(schema, name)), "{written:?}: {demands:?}");
            } else {
                let names = |resource: &Resource| match resource {
                    Resource::Relation { name: other, .. } => other == name,
                    Resource::Target | Resource::Path { .. } | Resource::Program { .. } | Resource::ApiObject { .. } | Resource::Url { .. } => false,
                };
                prop_assert!(demands.iter().any(|demand| names(&demand.resource)));
            }
        }
    }
}
