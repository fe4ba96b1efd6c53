//! The audit levels that actions have and need, whatever rules say. What a rule asks for is read in `annotations`.

use crate::{
    operation::{Action, Effect},
    permit::AuditLevel,
};

/// The level below which no rule goes: what may last is never at the target before it is in the record, because an agent
/// that hears a refusal must be able to rely on it.
pub(super) const fn least_audit(effect: Effect) -> AuditLevel {
    match effect {
        Effect::Passing => AuditLevel::Batched,
        Effect::Lasting => AuditLevel::BeforeForward,
    }
}

/// The level that a rule may ask for at the least: what only reads may be noted on one disk for a moment.
pub(super) const fn weakest_audit(action: Action) -> AuditLevel {
    match bearing(action) {
        Bearing::Reads => AuditLevel::Batched,
        Bearing::Surrounds => AuditLevel::BeforeReply,
        Bearing::Acts => AuditLevel::BeforeForward,
    }
}

/// Reads may be audited while they run; whatever can act is audited before.
pub(super) const fn default_audit(action: Action) -> AuditLevel {
    match bearing(action) {
        Bearing::Reads | Bearing::Surrounds => AuditLevel::BeforeReply,
        Bearing::Acts => AuditLevel::BeforeForward,
    }
}

/// What an action means for its target.
enum Bearing {
    /// It gives an answer and leaves nothing.
    Reads,
    /// It leaves nothing by itself, and is more than an answer: other operations stand in it.
    Surrounds,
    /// It can change something.
    Acts,
}

const fn bearing(action: Action) -> Bearing {
    match action {
        Action::PostgresRead
        | Action::PostgresShow
        | Action::PostgresDescribe
        | Action::SshQuery
        | Action::SshList
        | Action::SshRead
        | Action::SshScan
        | Action::KubernetesDiscover
        | Action::KubernetesUrl
        | Action::KubernetesReview
        | Action::KubernetesGet
        | Action::KubernetesList
        | Action::KubernetesWatch
        | Action::KubernetesLog => Bearing::Reads,
        Action::PostgresTransaction | Action::PostgresExplain | Action::SshSftp => {
            Bearing::Surrounds
        }
        Action::PostgresWrite
        | Action::PostgresDdl
        | Action::PostgresPrivilege
        | Action::PostgresRole
        | Action::PostgresFunction
        | Action::PostgresLock
        | Action::PostgresCopy
        | Action::PostgresProgram
        | Action::PostgresSession
        | Action::PostgresPreference
        | Action::PostgresCursor
        | Action::PostgresPrepare
        | Action::PostgresNotify
        | Action::PostgresMaintain
        | Action::PostgresReplication
        | Action::PostgresAdmin
        | Action::PostgresOpaque
        | Action::SshWrite
        | Action::SshRename
        | Action::SshRemove
        | Action::SshMkdir
        | Action::SshSetstat
        | Action::SshLink
        | Action::SshExec
        | Action::SshShell
        | Action::SshOpaque
        | Action::KubernetesCreate
        | Action::KubernetesUpdate
        | Action::KubernetesPatch
        | Action::KubernetesDelete
        | Action::KubernetesDeleteCollection
        | Action::KubernetesStatus
        | Action::KubernetesScale
        | Action::KubernetesLease
        | Action::KubernetesExec
        | Action::KubernetesAttach
        | Action::KubernetesPortForward
        | Action::KubernetesProxy
        | Action::KubernetesEphemeralContainers
        | Action::KubernetesResize
        | Action::KubernetesEviction
        | Action::KubernetesBinding
        | Action::KubernetesToken
        | Action::KubernetesFinalize
        | Action::KubernetesPrivilege
        | Action::KubernetesOpaque => Bearing::Acts,
    }
}
