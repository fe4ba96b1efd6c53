//! The grammar of the groups of commands.

use super::Format;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

pub(super) fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 30m or 1h"))
}

/// `context`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List the contexts; `*` marks the current one
    List,
    /// Make a context the current one
    Use {
        /// The context
        name: String,
    },
    /// Add a context with the servers, authority and token file given by --server, --ca-file, --token-file
    Add {
        /// The new context
        name: String,
    },
}

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// This machine is on the agents' network: no target may answer it
    #[arg(long)]
    pub(crate) agents_network: bool,
    /// A further address that must not answer; may be repeated
    #[arg(long = "target", value_name = "HOST:PORT", requires = "agents_network")]
    pub(crate) targets: Vec<String>,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyOptions {
    /// File, directory of *.yaml, *.yml and *.json, or `-` for stdin; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Check and show what would change, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete resources that the documents do not name
    #[arg(long)]
    pub(crate) prune: bool,
    /// Do it even when nobody is an administrator afterwards
    #[arg(long)]
    pub(crate) allow_lockout: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
}

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    /// File, directory of *.yaml, *.yml and *.json, or `-` for stdin; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Also show what `apply --prune` would delete
    #[arg(long)]
    pub(crate) prune: bool,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetOptions {
    /// Kind, such as Target or policies
    pub(crate) kind: String,
    /// Name; all of the kind when it is not given
    pub(crate) name: Option<String>,
}

/// A resource.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Kind, such as Target or policy
    pub(crate) kind: String,
    /// Name
    pub(crate) name: String,
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteOptions {
    #[command(flatten)]
    pub(crate) what: Named,
    /// Delete only this revision of it
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<u64>,
    /// Do it even when nobody is an administrator afterwards
    #[arg(long)]
    pub(crate) allow_lockout: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Only this kind
    pub(crate) kind: Option<String>,
}

/// `holds`.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldsCommand {
    /// List holds
    List {
        /// Only holds in this state
        #[arg(long, value_enum)]
        state: Option<StateName>,
        /// Only holds of this target
        #[arg(long)]
        target: Option<String>,
        /// Only holds of this agent
        #[arg(long)]
        agent: Option<String>,
        /// Only holds about which somebody has decided this
        #[arg(long, value_enum)]
        decision: Option<ChoiceName>,
    },
    /// Show a hold with all that a decision rests on
    Show {
        /// The hold's id
        id: String,
        /// Wait until it is settled, at most this long
        #[arg(long, value_name = "DURATION", value_parser = span, num_args = 0..=1,
              require_equals = true, default_missing_value = "7d")]
        wait: Option<Duration>,
    },
    /// Approve exactly the operation that is shown
    Approve(Decide),
    /// Reject it
    Reject(Decide),
    /// Let it through alone, in an emergency, with a reason; everybody hears of it
    BreakGlass(Decide),
    /// Take a hold back, as an administrator
    Withdraw {
        /// The hold's id
        id: String,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
    },
    /// Print holds as they come and change, until Ctrl-C
    Watch {
        /// Resume behind this log index
        #[arg(long, value_name = "INDEX")]
        since_index: Option<u64>,
    },
}

/// `holds approve`, `holds reject` and `holds break-glass`.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The hold's id
    pub(crate) id: String,
    /// Why, for the agent and the audit; some policies require it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
    /// The fingerprint that you have seen: decide about that and nothing else, without being asked
    #[arg(long, value_name = "HEX")]
    pub(crate) fingerprint: Option<String>,
    /// Do not ask; decide about the hold as it is shown
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Approve what is like this for so long, where policy lets it be granted
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub(crate) granted_for: Option<Duration>,
    /// After the decision, wait until the hold is settled, at most this long
    #[arg(long, value_name = "DURATION", value_parser = span, num_args = 0..=1,
          require_equals = true, default_missing_value = "7d")]
    pub(crate) wait: Option<Duration>,
}

/// `grants`.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// List the grants in force
    List {
        /// Those that are over too
        #[arg(long)]
        all: bool,
    },
    /// Show what a grant covers, who gave it, and how often it was used
    Show {
        /// The grant's id
        id: String,
    },
    /// Revoke a grant: what it covered is held again
    Revoke {
        /// The grant's id
        id: String,
    },
}

/// What can be decided about a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChoiceName {
    /// Let it go on
    Approve,
    /// End it
    Reject,
    /// Let it go on alone, in an emergency
    BreakGlass,
}

/// The states of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateName {
    /// Waits for decisions
    Pending,
    /// Approved, waits for its agent
    Approved,
    /// Admitted one operation
    Consumed,
    /// Rejected
    Rejected,
    /// Withdrawn
    Withdrawn,
    /// Its time ran out
    Expired,
    /// What it was judged under has changed
    Invalidated,
}

/// `sessions`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List open sessions
    List {
        /// Only sessions to this target
        #[arg(long)]
        target: Option<String>,
        /// Only sessions of this agent
        #[arg(long)]
        agent: Option<String>,
    },
    /// Show a session
    Show {
        /// The session's id
        id: String,
    },
    /// Play what happened in a session, from its recording
    Replay {
        /// The session's id
        id: String,
        /// How fast: 2 is twice as fast as it happened, 0 without any pause
        #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
        speed: f64,
        /// The longest pause between two events, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
        idle: f64,
    },
    /// Watch what happens in a session, as it happens
    Watch {
        /// The session's id
        id: String,
    },
    /// Write the recording of a session to stdout, for other players
    Export {
        /// The session's id
        id: String,
        /// In which form
        #[arg(long, value_enum, default_value_t = CastFormat::AsciicastV3)]
        format: CastFormat,
    },
    /// End a session
    End {
        /// The session's id
        id: String,
        /// Why, told to the agent
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

/// The forms that recordings are exported in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CastFormat {
    /// asciicast, version 3: what asciinema plays
    AsciicastV3,
    /// asciicast, version 2: for older players
    AsciicastV2,
    /// asciicast, version 3, of the session's terminals byte for byte: control sequences included
    Terminal,
    /// A JSON object a line, with nothing left out
    Jsonl,
}

/// `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List events
    Search {
        #[command(flatten)]
        filter: EventFilter,
        /// At most this many events
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Search exported files instead of the cluster: a file or directory of `audit export`
        #[arg(long, value_name = "PATH")]
        archive: Option<PathBuf>,
    },
    /// Print events as they come, until Ctrl-C
    Tail {
        #[command(flatten)]
        filter: EventFilter,
        /// How many of the last events to begin with
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: usize,
    },
    /// Write events with the keys as first line and the signed end as last; that you did is recorded
    Export {
        /// Form of the export
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// Only events after this sequence; the file verifies from there on
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        after: u64,
        /// Only events at or after this time (RFC 3339), or so long ago (2h)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only events before this time (RFC 3339), or so long ago (2h)
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Write compressed files of 100000 events each into this directory, each proved once it is written
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// List the keys that the chain is signed with: note one of them where the cluster cannot reach
    Keys,
    /// Have the chain signed with a new key from now on, which the old one endorses
    RotateKey,
    /// Prove that nothing is missing from, changed in or added to the chain
    #[command(group = ArgGroup::new("what").required(true).args(["file", "live"]))]
    Verify {
        /// File written by `audit export`, directory of such files that follow each other, `-` for stdin; needs no cluster
        file: Option<PathBuf>,
        /// Verify the running cluster: its whole chain, and that all nodes have the same
        #[arg(long)]
        live: bool,
        /// An event that the file must have, with its hash, known from elsewhere: SEQUENCE:HASH
        #[arg(long, value_name = "HEAD", conflicts_with = "live")]
        head: Option<String>,
        /// A key of the cluster's that is known from elsewhere (`audit keys`); the others follow from it
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

/// Which events.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventFilter {
    /// What must hold: words, name:value pairs of facts, and agent: target: verdict: kind: since: until:; - in front excludes
    #[arg(value_name = "QUERY")]
    pub(crate) search: Vec<String>,
    /// Only events of this agent
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only events of this target
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Only events with this verdict
    #[arg(long, value_parser = ["allow", "hold", "deny"])]
    pub(crate) verdict: Option<String>,
    /// Only events of this kind, such as intent or decided
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only events one of whose facts contains this text
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Only events at or after this time (RFC 3339), or so long ago (2h)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only events before this time (RFC 3339), or so long ago (2h)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line, as the chain has it
    Jsonl,
    /// One event of the Open Cybersecurity Schema Framework (1.5) a line
    Ocsf,
}

/// `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policies without a cluster
    Check {
        /// Files or directories of *.cedar (plain Cedar), *.yaml, *.yml and *.json (resource documents)
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Print the Cedar schema that policies are checked against
    Schema,
    /// Run the test cases beside policies, without a cluster; without files those of the policies in force
    Test {
        /// Files or directories; cases stand in spec.tests of a document, or in NAME.tests.yaml beside NAME.cedar
        paths: Vec<PathBuf>,
    },
    /// Say why an operation is allowed, held or denied, rule by rule
    Explain(Explain),
    /// Judge recorded operations under new policies, and show what would have changed
    Simulate {
        /// Files or directories with the new policies; they take the places of those with the same names
        #[arg(short = 'f', long = "file", required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only operations at or after this time (RFC 3339), or so long ago (7d)
        #[arg(long, value_name = "TIME", default_value = "7d")]
        since: String,
        /// Policies in force that the files do not have are gone
        #[arg(long)]
        prune: bool,
    },
}

/// `policy explain`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["event", "operation", "hold", "given"])]
pub(crate) struct Explain {
    /// The sequence of the audit event in which it was judged
    #[arg(long)]
    pub(crate) event: Option<u64>,
    /// The operation's id, for some days
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// The id of its hold
    #[arg(long)]
    pub(crate) hold: Option<String>,
    /// A file with an operation that nobody has asked for, as `given` of a test case has it
    #[arg(long, value_name = "FILE")]
    pub(crate) given: Option<PathBuf>,
    /// Policies to judge by instead of those in force
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `revoke`.
#[derive(Debug, Subcommand)]
pub(crate) enum RevokeCommand {
    /// An agent or a reviewer: nothing is admitted for it any more, its sessions are closed
    Identity {
        /// Issuer, exactly as its provider writes it
        issuer: String,
        /// Subject within that issuer
        subject: String,
    },
    /// A session
    Session {
        /// The session's id
        id: String,
    },
    /// A credential of an agent's: its sessions are closed
    Credential {
        /// The credential's id
        id: String,
    },
    /// An identity provider: everybody of its issuer is out, until it is defined otherwise
    Provider {
        /// The name of the IdentityProvider
        name: String,
    },
}

impl Format {
    /// Whether more columns are wanted.
    pub(crate) const fn is_wide(self) -> bool {
        matches!(self, Self::Wide)
    }
}
