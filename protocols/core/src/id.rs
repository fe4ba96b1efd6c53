//! Every identifier of the system, in one registry. Identifiers are made elsewhere (randomness is not a pure decision).
//!
//! A random identifier is 16 bytes, written as a short prefix, `_` and 32 lower-case hexadecimal digits: `hold_0f…`.

use std::{fmt, str::FromStr};

/// A text that is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: expected `{prefix}_` and 32 hexadecimal digits")]
pub struct IdError {
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An identifier of these 16 bytes, which the caller drew at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError { kind: stringify!($name), prefix: $prefix };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or_else(wrong)?;
                let mut bytes = [0; 16];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
                Ok(Self(bytes))
            }
        }
    };
}

random_id!(
    /// A hold.
    HoldId,
    "hold"
);
random_id!(
    /// A grant. It has the bytes of the hold that it was made with.
    GrantId,
    "grant"
);
random_id!(
    /// One operation of one session, once: a retry is another operation with the same fingerprint.
    OperationId,
    "op"
);
random_id!(
    /// A session: one connection of an agent to a target.
    SessionId,
    "ses"
);

random_id!(
    /// A credential that the cluster issued to an agent: a certificate.
    CredentialId,
    "cred"
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// A node of the cluster. Never used again once its node was removed.
    NodeId
);
number!(
    /// One start of a node: the log index of its `NodeUp` entry.
    Incarnation
);
number!(
    /// A revision of resources: the log index of the entry that made it.
    Revision
);
number!(
    /// A place in the Raft log.
    LogIndex
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = HoldId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse::<HoldId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let session = SessionId::from_bytes([7; 16]).to_string();
        assert!(session.parse::<HoldId>().is_err());
        assert!("hold_07".parse::<HoldId>().is_err());
    }
}
