//! An operation: what an agent asks of a target, understood. Made by an adapter's `classify`.

use crate::{
    agent::Workload,
    fingerprint::{Fingerprint, Fingerprinted},
    grant::{Template, Templated},
    id::OperationId,
    session::Session,
    target::Protocol,
};
use std::{collections::BTreeSet, sync::Arc};

/// One bound value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// The wire format (PostgreSQL: 0 text, 1 binary).
    pub format: u16,
    /// The declared type (PostgreSQL: its oid, 0 when the agent left it to the target).
    pub type_oid: u32,
    /// The exact bytes; `None` is null.
    pub value: Option<Vec<u8>>,
    /// The value as a reviewer reads it, decoded where the format is known.
    pub shown: String,
}

/// What is acted upon. The adapter gives the path inside the target; policies see entities
/// `Target::"orders"`, `Schema::"orders/public"`, `Relation::"orders/public.accounts"`, each in the one before; and
/// `Target::"web1"`, `Path::"web1:/"`, `Path::"web1:/var"`, `Path::"web1:/var/log"` alike, and `Program::"web1:uptime"`; and
/// `ApiObject::"prod:shop/deployments.apps/web"` in `Namespace::"prod:shop"` and in `ApiResource::"prod:deployments.apps"`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Resource {
    /// The target as a whole: nothing inside it is named.
    Target,
    /// A relation of a PostgreSQL target.
    Relation {
        /// Its schema, resolved.
        schema: String,
        /// Its name, decoded.
        name: String,
    },
    /// A place in the files of an SSH target.
    Path {
        /// Absolute (`/var/log`), or below the login's own directory (`~/notes`): without `.`, `..` and doubled slashes.
        /// What a pattern matches is written as the pattern (`/var/log/*`).
        path: String,
    },
    /// A program of an SSH target.
    Program {
        /// Its name where it is looked for in the usual places, its path elsewhere.
        name: String,
    },
    /// An object of a Kubernetes target, or a collection of them. What is not there is empty.
    ApiObject {
        /// The namespace; none is the cluster, or all namespaces.
        namespace: String,
        /// The API group; the core group is none.
        group: String,
        /// The version of the group that is spoken. It is the same object in any.
        version: String,
        /// The resource, as its plural in a URL.
        resource: String,
        /// The name; none is a collection.
        name: String,
        /// The sub-resource.
        subresource: String,
    },
    /// A URL of a Kubernetes target that belongs to no resource.
    Url {
        /// The path, without a `/` at its end.
        path: String,
    },
}

/// One thing an operation needs to be allowed to do: an action on a resource.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Demand {
    /// The action as policies name it, such as `postgres:read`.
    pub action: Action,
    /// What it acts on.
    pub resource: Resource,
}

/// A column that an operation names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NamedColumn {
    /// The schema of its relation, resolved.
    pub schema: String,
    /// The relation.
    pub relation: String,
    /// The column; `None` is every column of a relation whose columns are not known.
    pub column: Option<String>,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Every action that a policy can name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Action { $($(#[$doc])* $variant),+ }

        impl Action {
            /// Every action, in the schema's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in policies.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

actions! {
    /// Reads a relation, or computes without one.
    PostgresRead = "postgres:read",
    /// Changes rows of a relation.
    PostgresWrite = "postgres:write",
    /// Changes definitions.
    PostgresDdl = "postgres:ddl",
    /// Changes who may do what: grants, owners, row security, security labels.
    PostgresPrivilege = "postgres:privilege",
    /// Changes roles, or takes another role on.
    PostgresRole = "postgres:role",
    /// Calls a function that is not known to be harmless.
    PostgresFunction = "postgres:function",
    /// Takes locks.
    PostgresLock = "postgres:lock",
    /// Moves rows by COPY; which way, the read or write beside it says.
    PostgresCopy = "postgres:copy",
    /// Runs a program or touches files of the server.
    PostgresProgram = "postgres:program",
    /// Changes session settings.
    PostgresSession = "postgres:session",
    /// Changes a setting that a client may also give when it logs in: how values are written, the client's name.
    PostgresPreference = "postgres:preference",
    /// Shows a setting.
    PostgresShow = "postgres:show",
    /// Begins or ends transactions and savepoints.
    PostgresTransaction = "postgres:transaction",
    /// Uses SQL-level cursors.
    PostgresCursor = "postgres:cursor",
    /// Uses SQL-level prepared statements.
    PostgresPrepare = "postgres:prepare",
    /// Has a statement parsed and its parameters and columns said; nothing of it is executed.
    PostgresDescribe = "postgres:describe",
    /// Explains a statement.
    PostgresExplain = "postgres:explain",
    /// Uses the notification channels.
    PostgresNotify = "postgres:notify",
    /// Vacuums, analyses, clusters, reindexes, makes checkpoints.
    PostgresMaintain = "postgres:maintain",
    /// Changes publications, subscriptions, replication slots and origins.
    PostgresReplication = "postgres:replication",
    /// Changes the server or the database as a whole, or what other sessions do.
    PostgresAdmin = "postgres:admin",
    /// Not fully understood: never allowed by a rule that does not name this action.
    PostgresOpaque = "postgres:opaque",
    /// Runs a program in a way that is known to tell something and to do nothing else.
    SshQuery = "ssh:query",
    /// Has names and attributes of files told.
    SshList = "ssh:list",
    /// Has the contents of a file told.
    SshRead = "ssh:read",
    /// Has the contents of more files told than are named: everything below a folder, or what a pattern matches.
    SshScan = "ssh:scan",
    /// Changes what is in a file, or what is in the file of a name.
    SshWrite = "ssh:write",
    /// Gives a file or a folder another name; asked for both names.
    SshRename = "ssh:rename",
    /// Removes a file or an empty folder.
    SshRemove = "ssh:remove",
    /// Makes a folder.
    SshMkdir = "ssh:mkdir",
    /// Changes attributes of a file or a folder: its mode, its owner, its times.
    SshSetstat = "ssh:setstat",
    /// Makes a link, symbolic or not; asked for its name and for what it leads to.
    SshLink = "ssh:link",
    /// Opens SFTP, which does nothing to files by itself: each use of one is an operation of its own.
    SshSftp = "ssh:sftp",
    /// Runs a program, with everything that it does.
    SshExec = "ssh:exec",
    /// Runs the login's shell, with everything that is said to it.
    SshShell = "ssh:shell",
    /// Not fully understood: never allowed by a rule that does not name this action.
    SshOpaque = "ssh:opaque",
    /// Asks what the API has: its groups, versions and resources, its schema, the server's version.
    KubernetesDiscover = "kubernetes:discover",
    /// Asks for another URL that belongs to no resource: health, metrics, logs of the server.
    KubernetesUrl = "kubernetes:url",
    /// Asks who one is and what one may do oneself.
    KubernetesReview = "kubernetes:review",
    /// Has one object told, or its `status` or `scale`.
    KubernetesGet = "kubernetes:get",
    /// Has objects told.
    KubernetesList = "kubernetes:list",
    /// Has objects told, and whatever becomes of them from then on.
    KubernetesWatch = "kubernetes:watch",
    /// Creates an object.
    KubernetesCreate = "kubernetes:create",
    /// Replaces an object, or creates one of that name.
    KubernetesUpdate = "kubernetes:update",
    /// Changes parts of an object; an apply creates it where there is none.
    KubernetesPatch = "kubernetes:patch",
    /// Deletes an object.
    KubernetesDelete = "kubernetes:delete",
    /// Deletes every object of a collection, or those that a selector leaves.
    KubernetesDeleteCollection = "kubernetes:deletecollection",
    /// Writes what is observed of an object.
    KubernetesStatus = "kubernetes:status",
    /// Says how many replicas there are to be.
    KubernetesScale = "kubernetes:scale",
    /// Renews or takes a lease, which controllers elect their leader by.
    KubernetesLease = "kubernetes:lease",
    /// Has told what the containers of a pod have written.
    KubernetesLog = "kubernetes:log",
    /// Runs a command in a container, with everything that it does.
    KubernetesExec = "kubernetes:exec",
    /// Attaches to what runs in a container.
    KubernetesAttach = "kubernetes:attach",
    /// Opens connections to ports of a pod.
    KubernetesPortForward = "kubernetes:portforward",
    /// Sends a request through the server to a node, a pod or a service, whatever that does there.
    KubernetesProxy = "kubernetes:proxy",
    /// Adds containers to a pod that runs.
    KubernetesEphemeralContainers = "kubernetes:ephemeralcontainers",
    /// Changes what a pod that runs may use.
    KubernetesResize = "kubernetes:resize",
    /// Has a pod evicted.
    KubernetesEviction = "kubernetes:eviction",
    /// Places a pod on a node.
    KubernetesBinding = "kubernetes:binding",
    /// Has a token of a service account made.
    KubernetesToken = "kubernetes:token",
    /// Ends what holds a deleted object back.
    KubernetesFinalize = "kubernetes:finalize",
    /// Changes who may do what, or what the API itself trusts; asked for beside the verb.
    KubernetesPrivilege = "kubernetes:privilege",
    /// Not fully understood: never allowed by a rule that does not name this action.
    KubernetesOpaque = "kubernetes:opaque",
}

impl Action {
    /// Whether this is the action of what the gateway could not fully understand (invariant `opaque_is_not_allowed`).
    pub const fn is_opaque(self) -> bool {
        matches!(self, Self::PostgresOpaque | Self::SshOpaque | Self::KubernetesOpaque)
    }

    /// Whether operations of this action never wait for people: clients ask for these all the time, and give up (or give a
    /// lease up) when they do not hear at once. A rule that holds says nothing about them.
    pub const fn is_never_held(self) -> bool {
        matches!(self, Self::KubernetesDiscover | Self::KubernetesReview | Self::KubernetesLease)
    }

    /// The action of what could not be understood of a protocol.
    pub const fn opaque_of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Postgres => Self::PostgresOpaque,
            Protocol::Ssh => Self::SshOpaque,
            Protocol::Kubernetes => Self::KubernetesOpaque,
        }
    }

    /// The protocol whose action it is: the group that policies name it by.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::PostgresRead
            | Self::PostgresWrite
            | Self::PostgresDdl
            | Self::PostgresPrivilege
            | Self::PostgresRole
            | Self::PostgresFunction
            | Self::PostgresLock
            | Self::PostgresCopy
            | Self::PostgresProgram
            | Self::PostgresSession
            | Self::PostgresShow
            | Self::PostgresTransaction
            | Self::PostgresCursor
            | Self::PostgresPrepare
            | Self::PostgresDescribe
            | Self::PostgresExplain
            | Self::PostgresNotify
            | Self::PostgresMaintain
            | Self::PostgresReplication
            | Self::PostgresAdmin
            | Self::PostgresPreference
            | Self::PostgresOpaque => Protocol::Postgres,
            Self::SshQuery
            | Self::SshList
            | Self::SshRead
            | Self::SshScan
            | Self::SshWrite
            | Self::SshRename
            | Self::SshRemove
            | Self::SshMkdir
            | Self::SshSetstat
            | Self::SshLink
            | Self::SshSftp
            | Self::SshExec
            | Self::SshShell
            | Self::SshOpaque => Protocol::Ssh,
            Self::KubernetesDiscover
            | Self::KubernetesUrl
            | Self::KubernetesReview
            | Self::KubernetesGet
            | Self::KubernetesList
            | Self::KubernetesWatch
            | Self::KubernetesCreate
            | Self::KubernetesUpdate
            | Self::KubernetesPatch
            | Self::KubernetesDelete
            | Self::KubernetesDeleteCollection
            | Self::KubernetesStatus
            | Self::KubernetesScale
            | Self::KubernetesLease
            | Self::KubernetesLog
            | Self::KubernetesExec
            | Self::KubernetesAttach
            | Self::KubernetesPortForward
            | Self::KubernetesProxy
            | Self::KubernetesEphemeralContainers
            | Self::KubernetesResize
            | Self::KubernetesEviction
            | Self::KubernetesBinding
            | Self::KubernetesToken
            | Self::KubernetesFinalize
            | Self::KubernetesPrivilege
            | Self::KubernetesOpaque => Protocol::Kubernetes,
        }
    }
}

/// Whether an operation can leave anything behind at its target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// It leaves nothing: it reads, or it moves the borders of a transaction that has changed nothing.
    Passing,
    /// What it does, or what it makes permanent, may stay.
    Lasting,
}

/// Whether an operation stands in a transaction that was open before it: whatever waits there keeps what that transaction
/// has locked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transaction {
    /// In none, or it opens one.
    None,
    /// In an open one.
    Open,
}

/// What the adapter found out, from which an operation is made.
#[derive(Clone, Debug)]
pub struct Classification {
    /// A fresh id, drawn by the adapter.
    pub id: OperationId,
    /// The exact bytes that will be forwarded, as text or as sent.
    pub text: Arc<[u8]>,
    /// The bound values.
    pub parameters: Vec<Parameter>,
    /// Session settings that change meaning, in the adapter's fixed order.
    pub settings: Arc<[(String, String)]>,
    /// One line for people: statement kinds and relations, no values.
    pub summary: Arc<str>,
    /// Every action and resource. Empty is read as opaque by the policy.
    pub demands: Arc<BTreeSet<Demand>>,
    /// The columns that it names, whatever it does to them. A name that can belong to several relations counts for each.
    pub columns: Arc<BTreeSet<NamedColumn>>,
    /// The commands that it consists of, each as a line of its words; for a protocol that has no commands, none.
    pub commands: Arc<BTreeSet<String>>,
    /// The operation without its values: what a grant can cover besides this one. None where a value can decide what is
    /// done, and a grant covers nothing.
    pub shape: Option<Arc<str>>,
    /// Whether it can leave anything behind. It says when the intent must be committed at the latest; no rule is asked.
    pub effect: Effect,
    /// Whether it stands in an open transaction. What that means for a hold, policy says.
    pub transaction: Transaction,
    /// Facts shown to the reviewer and in the audit (transaction state, application name), as name and value.
    pub context: Arc<[(String, String)]>,
}

/// An operation with its fingerprint.
#[derive(Clone, Debug)]
pub struct Operation {
    fingerprint: Fingerprint,
    protocol: Protocol,
    workload: Workload,
    classification: Classification,
}

impl Operation {
    /// The operation of a session that classification describes. Only an adapter's `classify` calls this.
    pub fn classified(session: &Session, classification: Classification) -> Self {
        let fingerprint = Fingerprint::of(Fingerprinted {
            target: session.target(),
            agent: &session.agent().identity,
            workload: &session.agent().workload,
            settings: &classification.settings,
            text: &classification.text,
            parameters: &classification.parameters,
        });
        let (protocol, workload) = (session.target().protocol, session.agent().workload.clone());
        Self { fingerprint, protocol, workload, classification }
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// What it has in common with others that one grant covers, where a grant can.
    pub fn template(&self) -> Option<Template> {
        let found = &self.classification;
        Some(Template::of(Templated {
            protocol: self.protocol,
            workload: &self.workload,
            settings: &found.settings,
            shape: found.shape.as_deref()?,
            demands: &found.demands,
        }))
    }

    /// Its id.
    pub fn id(&self) -> OperationId {
        self.classification.id
    }

    /// What classify found out.
    pub fn classification(&self) -> &Classification {
        &self.classification
    }

    /// The exact bytes.
    pub fn text(&self) -> &[u8] {
        &self.classification.text
    }

    /// Whether it can leave anything behind.
    pub fn effect(&self) -> Effect {
        self.classification.effect
    }

    /// Whether it stands in an open transaction.
    pub fn transaction(&self) -> Transaction {
        self.classification.transaction
    }

    /// Every action and resource.
    pub fn demands(&self) -> &BTreeSet<Demand> {
        &self.classification.demands
    }
}
