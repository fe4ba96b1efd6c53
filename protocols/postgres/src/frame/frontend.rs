//! Messages of the agent: their types, how long each may be, and what is in those the gateway must understand.

use super::{Body, FrameError, Head};
use bytes::Bytes;

/// The longest statement text, with the few bytes around it in Query and Parse. The grammar takes no more.
const MAX_TEXT: usize = 1024 * 1024 + 64 * 1024;
/// The longest Bind: its values become part of the operation that a reviewer sees and that the log keeps.
const MAX_BIND: usize = 4 * 1024 * 1024;
/// The longest message that only carries names and small numbers.
const MAX_NAMED: usize = 1024;
/// The longest reason of a `CopyFail`.
const MAX_COPY_FAIL: usize = 16 * 1024;
/// The longest `CopyData`; PostgreSQL's own limit (`PQ_LARGE_MESSAGE_LIMIT`). It is streamed, not kept.
const MAX_COPY_DATA: usize = 0x3fff_ffff;
/// The longest statement or Bind that is read and dropped so that the agent hears how long it may be; the same limit.
const MAX_DROPPED: usize = MAX_COPY_DATA;
/// The longest password: the longest token that was seen to pass every driver is 60,000 bytes.
const MAX_PASSWORD: usize = 64 * 1024;

/// What an agent can send after start-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrontendKind {
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    Parse,
    Password,
    Query,
    Sync,
    Terminate,
}

impl FrontendKind {
    /// The kind of a message, once its length was found to be allowed.
    pub(crate) fn of(head: Head) -> Result<Self, FrameError> {
        let kind = match head.kind {
            b'B' => Self::Bind,
            b'C' => Self::Close,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'H' => Self::Flush,
            b'F' => Self::FunctionCall,
            b'P' => Self::Parse,
            b'p' => Self::Password,
            b'Q' => Self::Query,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            kind => return Err(FrameError::UnknownType { kind }),
        };
        let most = kind.limit();
        if head.body <= most {
            return Ok(kind);
        }
        match kind {
            Self::Query | Self::Parse | Self::Bind if head.body <= MAX_DROPPED => {
                Err(FrameError::TooLong { kind: head.kind, most })
            }
            Self::Bind
            | Self::Close
            | Self::CopyData
            | Self::CopyDone
            | Self::CopyFail
            | Self::Describe
            | Self::Execute
            | Self::Flush
            | Self::FunctionCall
            | Self::Parse
            | Self::Password
            | Self::Query
            | Self::Sync
            | Self::Terminate => Err(FrameError::Length { kind: head.kind }),
        }
    }

    /// The longest body.
    const fn limit(self) -> usize {
        match self {
            Self::Query | Self::Parse => MAX_TEXT,
            Self::Bind => MAX_BIND,
            Self::Close | Self::Describe | Self::Execute => MAX_NAMED,
            Self::CopyData => MAX_COPY_DATA,
            Self::CopyFail => MAX_COPY_FAIL,
            Self::Password | Self::FunctionCall => MAX_PASSWORD,
            Self::CopyDone | Self::Flush | Self::Sync | Self::Terminate => 0,
        }
    }
}

/// A Parse.
#[derive(Debug)]
pub(crate) struct ParseBody {
    pub(crate) name: String,
    pub(crate) text: Bytes,
    pub(crate) type_oids: Vec<u32>,
}

/// A Bind.
#[derive(Debug)]
pub(crate) struct BindBody {
    pub(crate) portal: String,
    pub(crate) statement: String,
    /// A format for each value.
    pub(crate) formats: Vec<u16>,
    pub(crate) values: Vec<Option<Bytes>>,
    /// As the agent wrote them: none, one for all, or one a column.
    pub(crate) result_formats: Vec<u16>,
}

/// What a Describe or Close names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StatementOrPortal {
    Statement(String),
    Portal(String),
}

/// The text of a Query: everything before its one NUL, which is the last byte.
pub(crate) fn read_text(body: Bytes) -> Result<Bytes, FrameError> {
    let mut body = Body::new("Query", body);
    let text = body.until_nul()?;
    body.end()?;
    Ok(text)
}

pub(crate) fn read_parse(body: Bytes) -> Result<ParseBody, FrameError> {
    let mut body = Body::new("Parse", body);
    let name = body.text()?;
    let text = body.until_nul()?;
    let count = body.short()?;
    let type_oids = (0..count).map(|_| body.oid()).collect::<Result<_, _>>()?;
    body.end()?;
    Ok(ParseBody { name, text, type_oids })
}

pub(crate) fn read_bind(body: Bytes) -> Result<BindBody, FrameError> {
    let mut body = Body::new("Bind", body);
    let portal = body.text()?;
    let statement = body.text()?;
    let formats = formats(&mut body)?;
    let count = body.short()?;
    let values = (0..count).map(|_| body.value()).collect::<Result<Vec<_>, _>>()?;
    let result_formats = self::formats(&mut body)?;
    body.end()?;
    // "zero to indicate that there are no parameters or that the parameters all use the default format (text); or one,
    // in which case the specified format code is applied to all parameters; or it can equal the actual number"
    let formats = match formats.as_slice() {
        [] => vec![0; values.len()],
        [one] => vec![*one; values.len()],
        each if each.len() == values.len() => formats,
        _ => return Err(FrameError::Malformed { what: "Bind" }),
    };
    Ok(BindBody { portal, statement, formats, values, result_formats })
}

fn formats(body: &mut Body) -> Result<Vec<u16>, FrameError> {
    let count = body.short()?;
    (0..count)
        .map(|_| match body.short()? {
            format @ (0 | 1) => Ok(format),
            _ => Err(FrameError::Malformed { what: "Bind" }),
        })
        .collect()
}

/// A Describe or Close.
pub(crate) fn read_named(body: Bytes) -> Result<StatementOrPortal, FrameError> {
    let mut body = Body::new("Describe or Close", body);
    let kind = body.byte()?;
    let name = body.text()?;
    body.end()?;
    match kind {
        b'S' => Ok(StatementOrPortal::Statement(name)),
        b'P' => Ok(StatementOrPortal::Portal(name)),
        _ => Err(FrameError::Malformed { what: "Describe or Close" }),
    }
}

/// An Execute: the portal and the most rows wanted, 0 for all.
pub(crate) fn read_execute(body: Bytes) -> Result<(String, i32), FrameError> {
    let mut body = Body::new("Execute", body);
    let portal = body.text()?;
    let rows = body.int()?;
    body.end()?;
    // PostgreSQL reads a negative count as "all".
    Ok((portal, rows.max(0)))
}
