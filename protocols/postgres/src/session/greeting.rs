//! The end of the login: what a driver must know before it goes on. The target is not asked; where its answers differ, the
//! agent is told once it was dialled.

use super::Session;
use crate::{
    error::{Complaint, Severity, SqlState},
    frame,
    mask::Masker,
    startup::Dropped,
};
use bytes::BufMut;
use countersign_core::gate::CancelKey;

/// Settings of which the gateway remembers what it has told; of a target's that makes up others it does not.
const MAX_TOLD: usize = 256;
/// The `server_version` that is reported before a target was ever dialled.
const ASSUMED_VERSION: &str = "15.0";

impl Session {
    /// `AuthenticationOk`, `ParameterStatus`, `BackendKeyData`, notices. Never a notice before `AuthenticationOk`: libpq aborts.
    pub(super) fn greet(&mut self, key: CancelKey) {
        self.writer.say(Masker::own(frame::message(b'R', |out| out.put_i32(0))));
        for (name, value) in self.assumed() {
            self.report(&name, &value);
        }
        let key = frame::message(b'K', |out| {
            out.put_u32(key.process);
            out.put_u32(key.secret);
        });
        self.writer.say(Masker::own(key));
        for Dropped(name) in std::mem::take(&mut self.startup.dropped) {
            let complaint = Complaint::new(
                SqlState::DROPPED_PARAMETER,
                "a start-up parameter was dropped by the gateway",
            )
            .detail(format!("Parameter: {name}"));
            self.writer.say(Masker::own(complaint.encode(Severity::Notice)));
        }
    }

    fn assumed(&self) -> Vec<(String, String)> {
        let chosen = |name: &str, default: &str| {
            let given = self.startup.settings.iter().find(|(given, _)| given == name);
            given.map_or_else(|| default.to_owned(), |(_, value)| value.clone())
        };
        let version = self.around.catalogues.version(&self.place);
        let all = [
            ("server_version", version.unwrap_or_else(|| ASSUMED_VERSION.to_owned())),
            ("server_encoding", "UTF8".to_owned()),
            ("client_encoding", "UTF8".to_owned()),
            ("application_name", self.startup.application_name.clone()),
            ("DateStyle", date_style(&chosen("DateStyle", "ISO, MDY"))),
            ("IntervalStyle", chosen("IntervalStyle", "postgres")),
            ("TimeZone", chosen("TimeZone", "UTC")),
            ("integer_datetimes", "on".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("is_superuser", "off".to_owned()),
            ("session_authorization", self.startup.user.clone()),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Tells the agent a setting, unless it has been told.
    pub(super) fn report(&mut self, name: &str, value: &str) {
        let room = self.told.len() < MAX_TOLD;
        match self.told.iter_mut().find(|(told, _)| told == name) {
            Some((_, told)) if told == value => return,
            Some((_, told)) => value.clone_into(told),
            None if room => self.told.push((name.to_owned(), value.to_owned())),
            // Told once more when it changes, or when it does not.
            None => {}
        }
        self.writer.say(Masker::own(frame::text_pair(b'S', name, value)));
    }
}

/// PostgreSQL reports the order of the parts too.
fn date_style(value: &str) -> String {
    if value.contains(',') { value.to_owned() } else { format!("{value}, MDY") }
}
