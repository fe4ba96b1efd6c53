//! What the target says on its own account while the gateway asks it something: kept, within a limit, until the session
//! can hand it to the agent.

use crate::frame::{BackendKind, FrameError};
use bytes::Bytes;

/// Bytes that are kept, at most. Notifications of a busy channel come by the thousand, as soon as no transaction is open
/// any more.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What a message takes beside its body.
const EACH: usize = 64;

/// Messages in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Asides {
    messages: Vec<(BackendKind, Bytes)>,
    bytes: usize,
}

impl Asides {
    /// Keeps one more.
    pub(super) fn keep(&mut self, kind: BackendKind, body: Bytes) -> Result<(), FrameError> {
        self.bytes = self.bytes.saturating_add(EACH + body.len());
        if self.bytes > MAX_BYTES {
            return Err(FrameError::Malformed { what: "number of notifications at once" });
        }
        self.messages.push((kind, body));
        Ok(())
    }

    /// Hands all of them over.
    pub(crate) fn take(&mut self) -> Vec<(BackendKind, Bytes)> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_messages_are_kept_and_no_more_than_the_limit() {
        let mut asides = Asides::default();
        let small = Bytes::from_static(b"\0\0\0\x01news\0\0");
        for _ in 0..50_000 {
            asides.keep(BackendKind::NotificationResponse, small.clone()).unwrap();
        }
        assert_eq!(asides.take().len(), 50_000);
        let large = Bytes::from(vec![0; MAX_BYTES - EACH]);
        asides.keep(BackendKind::NotificationResponse, large).unwrap();
        asides.keep(BackendKind::NotificationResponse, small).unwrap_err();
    }
}
