//! The list of all settings: the one place where each is explained. A test compares it with the structures.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its place in `node.toml`, with dots.
    pub path: &'static str,
    /// Its default, as TOML; empty when there is none.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable that overrides it: `cluster.token_file` is `COUNTERSIGN_CLUSTER_TOKEN_FILE`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }
}

impl Setting {
    /// Whether its value is a text, a path or an address, which the environment gives without quotes.
    pub(super) fn is_text(&self) -> bool {
        // Only one of the settings without a default is a number.
        self.default.starts_with('"') || (self.default.is_empty() && self.path != "node_id")
    }
}

/// What the names of our environment variables begin with.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

macro_rules! settings {
    ($($path:literal = $default:literal: $meaning:literal),+ $(,)?) => {
        /// Every setting.
        pub const SETTINGS: &[Setting] =
            &[$(Setting { path: $path, default: $default, meaning: $meaning }),+];
    };
}

settings! {
    "node_id" = "": "The id this node must have in its cluster. Ids are given by the cluster; a data directory of another node is refused when this is set.",
    "data_dir" = "\"/var/lib/countersign\"": "Where the node keeps its log, its state and its keys. Must be on a disk that honours fdatasync.",
    "cluster.name" = "\"countersign\"": "The cluster's name, part of the nodes' certificates.",
    "cluster.listen" = "\"0.0.0.0:7400\"": "Where this node takes connections of the other nodes (mutual TLS).",
    "cluster.advertise" = "": "host:port under which the other nodes reach cluster.listen. Needed when that is 0.0.0.0.",
    "cluster.join" = "[]": "API URLs of nodes of the cluster to join. Empty: wait to be initialised.",
    "cluster.token_file" = "": "File with the one-time join token.",
    "cluster.peer_overrides" = "[]": "Other addresses under which this node dials its peers, each as NODE=HOST:PORT, where their advertised ones do not lead there.",
    "cluster.heartbeat_ms" = "100": "How often a leader shows that it lives.",
    "cluster.election_min_ms" = "500": "The least time without a leader before a node stands for election.",
    "cluster.election_max_ms" = "1000": "The most time without a leader before a node stands for election.",
    "cluster.steady_ms" = "10000": "How long a new node has to have caught up with the log, and to answer, before it votes.",
    "tls.cert_file" = "\"/etc/countersign/tls.crt\"": "Certificate chain of the API and protocol listeners (PEM).",
    "tls.key_file" = "\"/etc/countersign/tls.key\"": "Private key of that certificate (PEM).",
    "tls.ca_file" = "": "The authority that signed the other nodes' listener certificates, for joining (PEM). Without it the system's authorities count.",
    "listen.api" = "\"0.0.0.0:7443\"": "Where the HTTP API is served.",
    "listen.api_url" = "": "The URL of the API as people and other nodes reach it. Without it: https:// and listen.api.",
    "listen.postgres" = "\"0.0.0.0:7432\"": "Where agents connect with PostgreSQL's protocol.",
    "listen.ssh" = "\"0.0.0.0:7422\"": "Where agents connect with SSH.",
    "listen.ssh_host_key_file" = "": "A private key of your own by which SSH clients know the gateway, in OpenSSH's format, the same on every node; a certificate for it is FILE-cert.pub beside it. Read at the start. Without it: the cluster's own key, which `countersignctl cluster ssh-keys` shows.",
    "listen.ssh_names" = "[]": "Further names by which SSH clients reach the gateway, such as that of a load balancer: the certificate of the cluster's own host key is for them and for the hosts of the nodes' API URLs.",
    "listen.kubernetes" = "\"0.0.0.0:7446\"": "Where agents connect with clients of Kubernetes, which are given https://HOST:PORT/k8s/TARGET as server.",
    "listen.metrics" = "\"127.0.0.1:7490\"": "Where metrics are served, without authentication.",
    "listen.api_proxy_protocol" = "false": "Whether connections to listen.api begin with a PROXY header (version 2) of a load balancer. If so, connections without it, or from elsewhere, are closed.",
    "listen.postgres_proxy_protocol" = "false": "The same for listen.postgres.",
    "listen.ssh_proxy_protocol" = "false": "The same for listen.ssh.",
    "listen.kubernetes_proxy_protocol" = "false": "The same for listen.kubernetes.",
    "listen.balancers" = "[]": "The addresses, or networks such as 10.0.0.0/28, of the load balancers whose PROXY headers count.",
    "keepalive.idle_seconds" = "15": "Silence after which TCP asks an agent, or a target, whether it is there.",
    "keepalive.interval_seconds" = "15": "The time between two such probes.",
    "keepalive.probes" = "4": "Unanswered probes after which a target counts as lost. An agent counts as lost when it has acknowledged nothing for five minutes, or for 30 seconds while its operation is held.",
    "limits.sessions" = "10000": "Open sessions on this node.",
    "limits.open_holds_per_agent" = "100": "Pending and approved holds that one agent may have, parked ones included; further operations that need one are refused. 100000 at most.",
    "limits.holds_per_agent_per_minute" = "4000": "Holds that one agent may open in a minute, withdrawn ones included. 100000 at most.",
    "limits.credentials_per_agent" = "1000": "Credentials (short tokens and certificates) that one agent may have at a time: further ones are not issued before one of them has ended or was revoked. 10000 at most.",
    "limits.failed_logins_per_minute" = "60": "Refused proofs of identity of one source address in a minute that are recorded, for agents and for people each; what is beyond is turned away unheard.",
    "limits.api_connections_per_address" = "512": "Open connections to the API from one source address (a /64 of IPv6). All clients behind a balancer that hides theirs are one.",
    "limits.balancer_ms" = "5000": "How long a node that shuts down still takes agents while /readyz fails already. Longer than a load balancer needs to notice: the interval of its check times its count of failures.",
    "limits.drain_ms" = "10000": "How long open sessions may go on after that.",
    "recordings.places" = "\"peers\"": "Where a segment of a recording must be to be durable: peers (on this node and on another one, where there is one) or local (on this node alone, lost with its disk).",
    "recordings.key" = "": "The key that wraps the keys of recordings, as file:PATH, env:NAME or command:PROGRAM ARGUMENT…: 64 hexadecimal digits, the same on every node. Without it: one that is derived from the cluster's key.",
    "recordings.earlier_keys" = "[]": "Keys that were recordings.key before. What they have wrapped is opened with them.",
    "recordings.local_mib" = "0": "The most that segments may take of this node's disk, in MiB; what is in the bucket makes room for others. At the limit nothing more is recorded here, so that sessions end. 0: what the disk has, down to the reserve below which /readyz fails.",
    "recordings.bucket.name" = "": "The S3 bucket that segments of recordings are copied to, and that the audit is archived in. Without it recordings are on nodes only.",
    "recordings.bucket.endpoint" = "": "The URL of the service, https://HOST[:PORT]. Without it: AWS.",
    "recordings.bucket.region" = "\"us-east-1\"": "The region of the bucket.",
    "recordings.bucket.prefix" = "\"countersign\"": "What the names of objects begin with; each cluster has a folder of its own in it.",
    "recordings.bucket.access_key" = "": "The id of the access key, as file:PATH, env:NAME or command:PROGRAM ARGUMENT…. Without it: the AWS_… variables, a web identity, or the instance's role.",
    "recordings.bucket.secret_key" = "": "The access key itself, likewise.",
    "recordings.bucket.ca_file" = "": "The authority of the service's certificate (PEM), where it is not one of the system's.",
    "recordings.bucket.locked_days" = "0": "For how many days the bucket must lock what is put into it, by its own default retention in compliance mode. It is tried: a node refuses a bucket that does not. 0: no lock is asked for.",
    "archive.shared_folder" = "": "A folder that all nodes share, for the archived audit where there is no bucket; each cluster has a part of its own in it. It must be there, and is not made. Without both, no audit event leaves the replicated state; with both, the bucket is written to and either is read from.",
    "archive.after_minutes" = "1440": "The age at which audit events are archived: written to the bucket or the folder in signed files, proved there, and let go of by the replicated state.",
    "archive.most_events" = "1000000": "Audit events beyond this number are archived before they are that old.",
    "telemetry.log_format" = "\"text\"": "json (one object a line) or text.",
    "telemetry.log_level" = "\"info,openraft=error,rustls=error\"": "error, warn, info, debug, trace, or directives such as info,countersign_node=debug.",
}
