//! The Cedar schema that the gateway publishes. Policies are validated against it strictly, so a rule that names what
//! does not exist is refused when it is applied instead of never matching.

use crate::operation::Action;

/// The types. The actions are appended by [`schema_text`], from the one list of actions.
pub const SCHEMA: &str = r#"// A group of an identity provider's claims, or of a Binding.
entity Group;

// The automation that connects. Its id is "ISSUER#SUBJECT".
entity Agent in [Group] {
  issuer: String,
  subject: String,
  name: String,
};

// A target; and inside a PostgreSQL target its schemas ("TARGET/SCHEMA") and relations ("TARGET/SCHEMA.RELATION").
entity Target;
entity Schema in [Target];
entity Relation in [Schema];

type Operation = {
  // Every relation of the whole operation, as "SCHEMA.RELATION".
  tables: Set<String>,
  // Every column that the operation names, as "SCHEMA.RELATION.COLUMN"; what * stands for, one by one. A column whose
  // relation the text leaves open counts for each relation that has it; "SCHEMA.RELATION.*" where the columns are not known.
  columns: Set<String>,
  // The target's role that the agent uses.
  role: String,
  // Whether the operation stands in a transaction that was open before it.
  in_transaction: Bool,
};

// Every action of one protocol.
action postgres;
"#;

/// The whole schema, as `GET /v1/policy/schema` serves it.
pub fn schema_text() -> String {
    let actions = Action::ALL.iter().map(|action| {
        format!(
            "action \"{}\" in [postgres] appliesTo {{ principal: [Agent], resource: [Target, Schema, Relation], context: Operation }};\n",
            action.name()
        )
    });
    std::iter::once(SCHEMA.to_owned()).chain(actions).collect()
}
