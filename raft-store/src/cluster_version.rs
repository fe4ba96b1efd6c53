//! Which cluster version a command needs. During a rolling upgrade nodes of two versions run side by side, and a node halts
//! on a command that it cannot read: so nothing is proposed before the whole cluster can read it. The version in force
//! stands in the state. How it is raised comes with the first version that adds something; until then it is the first.
//!
//! Whoever adds a command, or a name that is stored inside one, says here from which version on it may be proposed.

use crate::command::Command;
use countersign_core::{operation::Action, target::Protocol};

/// The version of a new cluster.
pub(crate) const FIRST: u32 = 1;

/// The cluster version from which on this may be proposed.
pub(crate) fn needed_by(command: &Command) -> u32 {
    match command {
        Command::OpenHold(open) => {
            let actions = open.held.demands.iter().map(|demand| of_action(demand.action));
            actions.max().unwrap_or(FIRST)
        }
        Command::OpenSession(open) => of_protocol(open.protocol),
        Command::Initialise(_)
        | Command::NodeUp(_)
        | Command::CloseSession(_)
        | Command::EndSession(_)
        | Command::Cancel(_)
        | Command::Decide(_)
        | Command::WithdrawHold(_)
        | Command::ParkHold(_)
        | Command::ClaimHold(..)
        | Command::Intent(..)
        | Command::Outcome(_)
        | Command::Refused(_)
        | Command::AccessRefused(_)
        | Command::ApplyResources(_)
        | Command::Revoke(_)
        | Command::CreateJoinToken(_)
        | Command::UseJoinToken(_)
        | Command::RemoveNode(_)
        | Command::Tick
        | Command::Administered(_)
        | Command::TakeNotes(_)
        | Command::IssueCredential(_)
        | Command::AttachEvidence(_)
        | Command::IntroduceAuditKey(_)
        | Command::RecordCheckpoint(_)
        | Command::SignedIn(_)
        | Command::Leads(_)
        | Command::RecordSegment(_)
        | Command::PlaceSegment(_)
        | Command::ArchiveEvents(_)
        | Command::RewrapKey(_)
        | Command::RotateSshKey(_)
        | Command::ArchiveRead(_)
        | Command::OpenKeys(_)
        | Command::Recover(_)
        | Command::Reopen(_) => FIRST,
    }
}

const fn of_action(action: Action) -> u32 {
    match action {
        Action::PostgresRead
        | Action::PostgresWrite
        | Action::PostgresDdl
        | Action::PostgresPrivilege
        | Action::PostgresRole
        | Action::PostgresFunction
        | Action::PostgresLock
        | Action::PostgresCopy
        | Action::PostgresProgram
        | Action::PostgresSession
        | Action::PostgresPreference
        | Action::PostgresShow
        | Action::PostgresTransaction
        | Action::PostgresCursor
        | Action::PostgresPrepare
        | Action::PostgresDescribe
        | Action::PostgresExplain
        | Action::PostgresNotify
        | Action::PostgresMaintain
        | Action::PostgresReplication
        | Action::PostgresAdmin
        | Action::PostgresOpaque
        | Action::SshQuery
        | Action::SshList
        | Action::SshRead
        | Action::SshScan
        | Action::SshWrite
        | Action::SshRename
        | Action::SshRemove
        | Action::SshMkdir
        | Action::SshSetstat
        | Action::SshLink
        | Action::SshSftp
        | Action::SshExec
        | Action::SshShell
        | Action::SshOpaque
        | Action::KubernetesDiscover
        | Action::KubernetesUrl
        | Action::KubernetesReview
        | Action::KubernetesGet
        | Action::KubernetesList
        | Action::KubernetesWatch
        | Action::KubernetesCreate
        | Action::KubernetesUpdate
        | Action::KubernetesPatch
        | Action::KubernetesDelete
        | Action::KubernetesDeleteCollection
        | Action::KubernetesStatus
        | Action::KubernetesScale
        | Action::KubernetesLease
        | Action::KubernetesLog
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
        | Action::KubernetesOpaque => FIRST,
    }
}

const fn of_protocol(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Postgres | Protocol::Ssh | Protocol::Kubernetes => FIRST,
    }
}
