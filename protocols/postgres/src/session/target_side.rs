//! The session's side towards the target: dialling it, sending to it, and what it says on its own account.

use super::{End, Link, Session, Stop, SyncSent};
use crate::{
    fence::Posture,
    forward::Outgoing,
    frame::{BackendKind, FrameError, Head, close_portal, close_statement},
    mask::Tells,
    state::{Block, Mode, Stale},
    upstream::{self, COMMIT_DEADLINE, Login, Upstream, read_ready, read_status},
};
use bytes::Bytes;
use countersign_core::refusal::Refusal;
use tokio::time::timeout;

/// Settings of the target that every reading of a statement rests on.
const PINNED: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("integer_datetimes", "on"),
];

/// Settings that the gateway itself makes, and makes again; the agent is not told of them.
const OURS: &[&str] =
    &["session_authorization", "is_superuser", "default_transaction_read_only", "search_path"];

/// The major versions whose statements the grammar reads as the server does.
const VERSIONS: std::ops::RangeInclusive<u32> = 13..=18;

/// Refuses a server that may read a text in another way than the grammar.
fn check_version(version: &str) -> Result<(), End> {
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    let major = version.get(..digits).and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| VERSIONS.contains(&major)) {
        return Ok(());
    }
    let (first, last) = (VERSIONS.start(), VERSIONS.end());
    let message = format!(
        "the target is PostgreSQL {version}; the gateway reads the statements of {first} to {last}"
    );
    Err(End::Refused(Refusal::NotSupported { message }))
}

impl Session {
    /// Dials the target, unless it is there.
    pub(super) async fn dial(&mut self) -> Result<(), Stop> {
        if matches!(self.link, Link::Up(_)) {
            return Ok(());
        }
        let upstream = self.dialled().await?;
        for (name, value) in upstream.reported.clone() {
            self.reported(&name, &value)?;
        }
        self.link = Link::Up(Box::new(upstream));
        let is_made = self.reader_role().is_none() && self.target.read_limit.is_none();
        self.posture = if is_made { Posture::Reading } else { Posture::Unknown };
        self.made = None;
        Ok(())
    }

    /// Another connection for the session.
    pub(super) async fn dialled(&mut self) -> Result<Upstream, Refusal> {
        let login = Login {
            role: &self.role,
            database: &self.database,
            application_name: &self.startup.application_name,
            settings: &self.startup.settings,
        };
        upstream::dial(&self.target, &login).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(target.name = %self.target.name, error, "a target could not be used");
            Refusal::TargetUnavailable
        })
    }

    /// The connection, which was dialled.
    pub(super) fn upstream(&mut self) -> Result<&mut Upstream, End> {
        match &mut self.link {
            Link::Up(upstream) => Ok(upstream),
            Link::NotDialled => Err(End::TargetLost(FrameError::Closed)),
        }
    }

    /// The role for reads that policy allows, where the target has one.
    pub(super) fn reader_role(&self) -> Option<&str> {
        self.target.roles.get(&self.role).and_then(|role| role.reader.as_deref())
    }

    /// Queues an admitted operation, with the closing of what nothing means any more in front of it.
    pub(super) fn put(&mut self, operation: Outgoing) -> Result<(), End> {
        for stale in self.names.take_stale() {
            let close = match stale {
                Stale::Statement(name) => close_statement(&name),
                Stale::Portal(name) => close_portal(&name),
            };
            self.upstream()?.writer.queue(&close);
        }
        if let Some(account) = &mut self.in_flight {
            account.forwarded();
        }
        self.upstream()?.writer.forward(operation);
        Ok(())
    }

    /// Writes what is queued.
    pub(super) async fn send(&mut self) -> Result<(), End> {
        self.upstream()?.writer.flush().await.map_err(End::TargetLost)
    }

    /// Relays what the target says on its own account.
    pub(super) async fn relay_aside(&mut self, head: Head) -> Result<(), End> {
        let kind = BackendKind::of(head).map_err(End::TargetLost)?;
        let body = self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
        self.aside(kind, body)
    }

    fn aside(&mut self, kind: BackendKind, body: Bytes) -> Result<(), End> {
        let known = self.around.gate.masks(&self.opened);
        let masked = match kind {
            BackendKind::NoticeResponse => {
                let notice = self.masker.complaint(&known, (b'N', &body))?;
                return self.say_words(notice);
            }
            BackendKind::NotificationResponse => self.masker.notification(&known, &body),
            // The target's last word before it closes the connection.
            BackendKind::ErrorResponse => {
                let error = self.masker.complaint(&known, (b'E', &body))?;
                return self.say_words(error);
            }
            BackendKind::ParameterStatus => {
                let (name, value) = read_status(body).map_err(End::TargetLost)?;
                return self.reported(&name, &value);
            }
            BackendKind::Authentication
            | BackendKind::BackendKeyData
            | BackendKind::BindComplete
            | BackendKind::CloseComplete
            | BackendKind::CommandComplete
            | BackendKind::CopyBothResponse
            | BackendKind::CopyData
            | BackendKind::CopyDone
            | BackendKind::CopyInResponse
            | BackendKind::CopyOutResponse
            | BackendKind::DataRow
            | BackendKind::EmptyQueryResponse
            | BackendKind::NegotiateProtocolVersion
            | BackendKind::NoData
            | BackendKind::ParameterDescription
            | BackendKind::ParseComplete
            | BackendKind::PortalSuspended
            | BackendKind::ReadyForQuery
            | BackendKind::RowDescription => {
                return Err(End::TargetLost(FrameError::Malformed { what: "message out of turn" }));
            }
        };
        self.writer.say(masked?);
        Ok(())
    }

    /// Hands over what the target said while the gateway asked something.
    pub(super) fn hand_over_asides(&mut self) -> Result<(), End> {
        let asides = self.upstream()?.asides.take();
        asides.into_iter().try_for_each(|(kind, body)| self.aside(kind, body))
    }

    /// A setting that the target reports. A pinned one that changes takes the ground from under the classifier.
    fn reported(&mut self, name: &str, value: &str) -> Result<(), End> {
        if PINNED.iter().any(|(pinned, wanted)| *pinned == name && *wanted != value) {
            tracing::warn!(setting = name, "the target changed a setting that is pinned");
            let reason = format!("the setting {name} was changed");
            return Err(End::Refused(Refusal::SessionEnded { reason }));
        }
        if name == "server_version" {
            check_version(value)?;
            self.around.catalogues.set_version(&self.place, value);
        }
        if OURS.contains(&name) {
            // Whatever it is now, it is not what the gateway has made it.
            self.doubt_posture();
            return Ok(());
        }
        let known = self.around.gate.masks(&self.opened);
        match self.masker.tells_setting(&known, (name, value)) {
            Tells::It => self.report(name, value),
            Tells::Nothing => {}
        }
        Ok(())
    }

    /// Sends a Sync; returns the target's status.
    pub(super) async fn resynchronise(&mut self) -> Result<u8, End> {
        self.accounts.committing();
        let status = self.upstream()?.resynchronise().await.map_err(End::TargetLost)?;
        self.hand_over_asides()?;
        Ok(status)
    }

    /// Takes everything up to the `ReadyForQuery` of the Sync of a preparation that stood alone. It ends nothing of the
    /// agent's: what was bound stays bound up to the agent's own Sync.
    pub(super) async fn end_of_preparation(&mut self) -> Result<(), End> {
        let status = self.upstream()?.until_ready().await.map_err(End::TargetLost)?;
        self.hand_over_asides()?;
        if status == Block::Idle.status() {
            Ok(())
        } else {
            Err(End::TargetLost(FrameError::Malformed { what: "ReadyForQuery" }))
        }
    }

    /// Ends the transaction of a pipeline; what goes wrong at its commit is said to the agent.
    pub(super) async fn end_pipeline(&mut self) -> Result<(), End> {
        self.accounts.committing();
        if self.sync == SyncSent::No {
            self.upstream()?.writer.queue(&crate::frame::sync());
            self.behind_sync()?;
        }
        self.sync = SyncSent::No;
        let synced = timeout(COMMIT_DEADLINE, self.sync_pipeline());
        synced.await.unwrap_or(Err(End::TargetLost(FrameError::Late)))?;
        self.confirm_posture().await
    }

    /// Behind the Sync of a pipeline that has only read, and may have changed the posture, that is made anew.
    pub(super) fn behind_sync(&mut self) -> Result<(), End> {
        if self.block == Block::Implicit(Mode::ReadOnly) && self.posture == Posture::Unknown {
            self.queue_posture()?;
        }
        Ok(())
    }

    /// A pipeline whose Sync was sent ahead has failed.
    pub(super) async fn failed_before_sync(&mut self) -> Result<(), End> {
        self.sync = SyncSent::No;
        let status = self.upstream()?.until_ready().await.map_err(End::TargetLost)?;
        self.rolled_back(status);
        self.hand_over_asides()?;
        self.confirm_posture().await
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`aside` names every kind, and refuses what is out of turn"
    )]
    async fn sync_pipeline(&mut self) -> Result<(), End> {
        self.upstream()?.writer.flush().await.map_err(End::TargetLost)?;
        let mut failed = false;
        loop {
            let head = self.upstream()?.reader.head().await.map_err(End::TargetLost)?;
            match BackendKind::of(head).map_err(End::TargetLost)? {
                BackendKind::ReadyForQuery => {
                    let body =
                        self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
                    if failed {
                        self.doubt_posture();
                        self.accounts.rolled_back();
                    }
                    self.set_block(read_ready(body).map_err(End::TargetLost)?);
                    return Ok(());
                }
                BackendKind::CloseComplete => {
                    drop(self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?);
                }
                kind => {
                    failed |= kind == BackendKind::ErrorResponse;
                    let body =
                        self.upstream()?.reader.whole(head).await.map_err(End::TargetLost)?;
                    self.aside(kind, body)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn only_servers_whose_statements_the_grammar_reads_are_used() {
        for version in ["13.0", "15.12 (Debian 15.12-1)", "16beta1", "18"] {
            assert!(check_version(version).is_ok(), "{version}");
        }
        for version in ["12.22", "9.6.24", "19devel", "", "unknown", "1713"] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }
}
