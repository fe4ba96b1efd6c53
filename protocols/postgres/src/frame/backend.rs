//! Messages of the target: their types and how long each may be. A target that leaves these limits ends the session.

use super::{FrameError, Head};

/// The longest message that is kept whole: `RowDescription` of 1,600 columns, or a long error.
const MAX_WHOLE: usize = 1024 * 1024;
/// The longest `DataRow` or `CopyData`; they are streamed, not kept.
const MAX_STREAMED: usize = 0x7fff_fffb;

macro_rules! backend {
    ($($(#[$doc:meta])* $variant:ident = $byte:literal),+ $(,)?) => {
        /// What a target can send.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum BackendKind { $($(#[$doc])* $variant),+ }

        impl BackendKind {
            fn named(kind: u8) -> Option<Self> {
                match kind { $($byte => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

backend! {
    Authentication = b'R',
    BackendKeyData = b'K',
    BindComplete = b'2',
    CloseComplete = b'3',
    CommandComplete = b'C',
    CopyBothResponse = b'W',
    CopyData = b'd',
    CopyDone = b'c',
    CopyInResponse = b'G',
    CopyOutResponse = b'H',
    DataRow = b'D',
    EmptyQueryResponse = b'I',
    ErrorResponse = b'E',
    NegotiateProtocolVersion = b'v',
    NoData = b'n',
    NoticeResponse = b'N',
    NotificationResponse = b'A',
    ParameterDescription = b't',
    ParameterStatus = b'S',
    ParseComplete = b'1',
    PortalSuspended = b's',
    ReadyForQuery = b'Z',
    RowDescription = b'T',
}

impl BackendKind {
    /// The kind of a message, once its length was found to be allowed.
    pub(crate) fn of(head: Head) -> Result<Self, FrameError> {
        let kind = Self::named(head.kind).ok_or(FrameError::UnknownType { kind: head.kind })?;
        let limit = match kind {
            Self::DataRow | Self::CopyData => MAX_STREAMED,
            Self::Authentication
            | Self::BackendKeyData
            | Self::BindComplete
            | Self::CloseComplete
            | Self::CommandComplete
            | Self::CopyBothResponse
            | Self::CopyDone
            | Self::CopyInResponse
            | Self::CopyOutResponse
            | Self::EmptyQueryResponse
            | Self::ErrorResponse
            | Self::NegotiateProtocolVersion
            | Self::NoData
            | Self::NoticeResponse
            | Self::NotificationResponse
            | Self::ParameterDescription
            | Self::ParameterStatus
            | Self::ParseComplete
            | Self::PortalSuspended
            | Self::ReadyForQuery
            | Self::RowDescription => MAX_WHOLE,
        };
        if head.body > limit { Err(FrameError::Length { kind: head.kind }) } else { Ok(kind) }
    }
}
