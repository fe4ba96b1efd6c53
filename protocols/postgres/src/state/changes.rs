//! What the session's operations have set, as far as later operations must tell: each of them means what the session is set
//! to. A text that sets something by name is kept as it is. Of what may have set something and does not say what (EXECUTE,
//! FETCH, DO, CALL, functions that somebody made) there can be any number, so that only the last is kept, by its fingerprint:
//! that covers what was kept before it. It reads no text and knows no setting.

use countersign_core::operation::{Action, Demand, Operation};

/// Changes by name that one session may make.
const MAX_CHANGES: usize = 100;

/// What was set.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    named: Vec<Change>,
    unseen: Option<Unseen>,
}

/// A change by name.
#[derive(Debug)]
struct Change {
    /// As later fingerprints have it.
    text: String,
    of: Changed,
}

/// Which settings a change is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Changed {
    /// One that could have been given when the session was opened.
    Preference,
    /// Any.
    Setting,
}

/// Operations that may have set something unseen.
#[derive(Debug)]
struct Unseen {
    count: u64,
    /// The fingerprint of the last.
    last: String,
}

impl Changes {
    /// An operation says what it sets.
    pub(crate) fn set(&mut self, operation: &Operation) {
        self.named.push(change(operation));
    }

    /// An operation runs code that may set anything.
    pub(crate) fn run(&mut self, operation: &Operation) {
        let count = self.unseen.as_ref().map_or(0, |unseen| unseen.count);
        let last = operation.fingerprint().to_string();
        self.unseen = Some(Unseen { count: count.saturating_add(1), last });
    }

    /// How often it has grown: as long as that is the same, so are [`Self::settings`].
    pub(crate) fn count(&self) -> u64 {
        let unseen = self.unseen.as_ref().map_or(0, |unseen| unseen.count);
        unseen.saturating_add(self.named.len() as u64)
    }

    /// Whether no further change by name is taken.
    pub(crate) const fn is_full(&self) -> bool {
        self.named.len() >= MAX_CHANGES
    }

    /// Whether anything may be set that another session would not have by saying [`Self::preferences`].
    pub(crate) fn goes_beyond_preferences(&self) -> bool {
        self.unseen.is_some() || self.named.iter().any(|change| change.of == Changed::Setting)
    }

    /// What could have been said at the login.
    pub(crate) fn preferences(&self) -> Vec<String> {
        let said = self.named.iter().filter(|change| change.of == Changed::Preference);
        said.map(|change| change.text.clone()).collect()
    }

    /// What of it gives a later operation its meaning.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (String, String)> {
        let named = self.named.iter().map(|change| ("set".to_owned(), change.text.clone()));
        let unseen = self.unseen.iter().map(|Unseen { count, last }| {
            let line = format!("{count} operations may have set something, the last was {last}");
            ("ran".to_owned(), line)
        });
        named.chain(unseen)
    }
}

/// A change of settings as later fingerprints have it: the text, and each value that is bound, exactly.
fn change(operation: &Operation) -> Change {
    let text = String::from_utf8_lossy(operation.text()).into_owned();
    let bound = operation.classification().parameters.iter().enumerate().map(|(n, parameter)| {
        let value = parameter.value.as_deref().map_or_else(|| "NULL".to_owned(), exactly);
        format!("; ${} (format {}) = {value}", n + 1, parameter.format)
    });
    let preference = |demand: &Demand| demand.action == Action::PostgresPreference;
    // One with bound values fails at the target, and is no text that could be said again.
    let says_all = operation.classification().parameters.is_empty();
    let of = if says_all && operation.demands().iter().all(preference) {
        Changed::Preference
    } else {
        Changed::Setting
    };
    Change { text: std::iter::once(text).chain(bound).collect(), of }
}

/// Bytes so that different ones never look the same, and readable where they are text.
fn exactly(value: &[u8]) -> String {
    format!("'{}'", value.escape_ascii())
}
