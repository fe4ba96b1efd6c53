//! The Cedar schema that the gateway publishes. Policies are validated against it strictly, so a rule that names what
//! does not exist is refused when it is applied instead of never matching.

use crate::{
    operation::{Action, Resource},
    target::Protocol,
};

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

// Inside an SSH target its files and programs. "web1:/var/log" is in "web1:/var", that in "web1:/", that in the target; what
// is written without a leading / is in "web1:~", the login's own folder. Links are the target's: a rule that permits a folder
// permits what its links lead to, and a rule that forbids a folder does not forbid other ways to it. Names of SFTP are asked of
// the target before they are judged: they begin with a / always, and have no link in them that the target knew of.
// A program is "web1:uptime" where it is looked for in the usual places, "web1:/opt/x/deploy" elsewhere.
entity Path in [Path, Target];
entity Program in [Target];

// Inside a Kubernetes target its namespaces ("prod:shop"), the resources of its API ("prod:pods", "prod:deployments.apps", and,
// apart from these, their sub-resources: "prod:pods/exec") and its objects: "prod:shop/deployments.apps/web",
// "prod:shop/pods/web/exec", "prod:/nodes/n1" outside of namespaces, "prod:shop/pods" and "prod:/pods" for the collection of one
// namespace and of all. An object is in its namespace and in its resource, or in its sub-resource where it has one. The
// namespace "prod:shop" is also what `namespaces/shop` is in.
entity Namespace in [Target];
entity ApiResource in [Target];
entity ApiObject in [Namespace, ApiResource] {
  // "" is what it does not have: the core group, the cluster or all namespaces, a collection, no sub-resource.
  namespace: String,
  group: String,
  version: String,
  resource: String,
  name: String,
  subresource: String,
};
// URLs that belong to no resource: "prod:/openapi/v3" is in "prod:/openapi", that in "prod:/", that in the target.
entity Url in [Url, Target];

type Operation = {
  // Every relation of the whole operation, as "SCHEMA.RELATION".
  tables: Set<String>,
  // Every column that the operation names, as "SCHEMA.RELATION.COLUMN"; what * stands for, one by one. A column whose
  // relation the text leaves open counts for each relation that has it; "SCHEMA.RELATION.*" where the columns are not known.
  columns: Set<String>,
  // The target's role that the agent uses.
  role: String,
  // What the agent's token says of the job that it is, as far as its provider's definition names the claims; "" is what it does
  // not say.
  workload: { repository: String, branch: String, job: String },
  // Whether the operation stands in a transaction that was open before it.
  in_transaction: Bool,
  // SSH: every file that the whole operation names, as its Path has it behind the target's name.
  paths: Set<String>,
  // SSH: every program that it runs, as its Program has it behind the target's name.
  programs: Set<String>,
  // SSH: every simple command that it consists of, its words with one blank between them, quoted where they must be.
  // Kubernetes: the command that is run in a container, the same way.
  commands: Set<String>,
};

// Every action of one protocol.
action postgres;
action ssh;
action kubernetes;
"#;

/// What an action acts on.
const fn resources(action: Action) -> &'static str {
    match action.protocol() {
        Protocol::Postgres => "Target, Schema, Relation",
        Protocol::Ssh => "Target, Path, Program",
        Protocol::Kubernetes if action.is_opaque() => "Target, ApiObject, Url",
        Protocol::Kubernetes => "ApiObject, Url",
    }
}

/// Whether the action acts on such a thing: nothing else is ever asked for, and no rule about it can be validated.
pub fn acts_on(action: Action, resource: &Resource) -> bool {
    let kind = match resource {
        Resource::Target => "Target",
        Resource::Relation { .. } => "Relation",
        Resource::Path { .. } => "Path",
        Resource::Program { .. } => "Program",
        Resource::Url { .. } => "Url",
        Resource::ApiObject { .. } => "ApiObject",
    };
    resources(action).split(", ").any(|known| known == kind)
}

/// The whole schema, as `GET /v1/policy/schema` serves it.
pub fn schema_text() -> String {
    let actions = Action::ALL.iter().map(|action| {
        format!(
            "action \"{}\" in [{}] appliesTo {{ principal: [Agent], resource: [{}], context: Operation }};\n",
            action.name(),
            action.protocol().name(),
            resources(*action)
        )
    });
    std::iter::once(SCHEMA.to_owned()).chain(actions).collect()
}
