//! What an operation asked for is recorded exactly, whatever its names hold.

use super::{
    super::{Asked, recorded},
    *,
};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "[\\\\\t\n er]{0,6}", any::<String>()]
}

fn acted() -> impl Strategy<Value = Resource> {
    prop_oneof![
        Just(Resource::Target),
        (name(), name()).prop_map(|(schema, name)| Resource::Relation { schema, name }),
        name().prop_map(|path| Resource::Path { path }),
        name().prop_map(|name| Resource::Program { name }),
        name().prop_map(|path| Resource::Url { path }),
        [name(), name(), name(), name(), name(), name()].prop_map(
            |[namespace, group, version, resource, name, subresource]| Resource::ApiObject {
                namespace,
                group,
                version,
                resource,
                name,
                subresource,
            }
        ),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let demand = (prop::sample::select(Action::ALL), acted())
        .prop_map(|(action, resource)| Demand { action, resource });
    let column = (name(), name(), prop::option::of(name()))
        .prop_map(|(schema, relation, column)| NamedColumn { schema, relation, column });
    (
        prop::collection::btree_set(demand, 0..5),
        prop::collection::btree_set(column, 0..5),
        prop::collection::btree_set(name(), 0..5),
        prop::sample::select(&[Effect::Passing, Effect::Lasting][..]),
        prop::sample::select(&[Transaction::None, Transaction::Open][..]),
    )
        .prop_map(|(demands, columns, commands, effect, transaction)| Asked {
            demands,
            columns,
            commands,
            effect,
            transaction,
        })
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(asked in asked()) {
        prop_assert_eq!(Asked::read(&asked.written()), Ok(asked));
    }

    #[test]
    fn names_are_read_as_they_were_written(names in prop::collection::btree_set(name(), 0..6)) {
        let text = recorded::names(names.iter().map(String::as_str));
        prop_assert_eq!(recorded::read_names(&text), Ok(names));
    }

    #[test]
    fn a_text_has_one_meaning_and_a_meaning_one_text(text in "(asks-1|x)\t(passing|lasting)\tnone(\n(demand\tpostgres:read\ttarget|column\ta\tb\tc|command\t[\\\\ten]{1,3})){0,3}") {
        if let Ok(asked) = Asked::read(&text) {
            let again = Asked::read(&asked.written());
            prop_assert_eq!(again, Ok(asked));
        }
    }
}

#[test]
fn the_form_of_the_text_is_frozen() {
    let plain = session("bot", &[], "orders");
    let demands = [
        on(Action::PostgresRead, relation("public", "a\tb")),
        on(Action::PostgresShow, Resource::Target),
    ];
    let asked = Asked::of(&operation(&plain, &demands, (Effect::Passing, Transaction::Open)));
    let text = "asks-1\tpassing\topen\ndemand\tpostgres:read\trelation\tpublic\ta\\tb\ndemand\tpostgres:show\ttarget";
    assert_eq!(asked.written(), text);
    for wrong in [
        "",
        "asks-2\tpassing\topen",
        "asks-1\tpassing",
        "asks-1\tpassing\topen\n",
        "asks-1\tpassing\topen\ndemand\tpostgres:nothing\ttarget",
        "asks-1\tpassing\topen\ncommand\t\\x",
    ] {
        assert_eq!(Asked::read(wrong), Err(recorded::RecordedError), "{wrong:?}");
    }
}
