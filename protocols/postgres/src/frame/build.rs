//! Builds the messages that the gateway itself says, to either side. Texts it is given hold no NUL: those of an agent
//! were read up to one, those of the gateway are its own.

use bytes::{BufMut, Bytes, BytesMut};

/// A message of type `kind` with the body that `write` appends.
pub(crate) fn message(kind: u8, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut whole = BytesMut::new();
    whole.put_u8(kind);
    let body = counted(write);
    whole.put_slice(&body);
    whole.freeze()
}

/// A length that counts itself, and a body.
fn counted(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut whole = BytesMut::new();
    whole.put_i32(0);
    write(&mut whole);
    // Every body is bounded by the limits of what was read, far below 2 GiB.
    let length = u32::try_from(whole.len()).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = whole.first_chunk_mut::<4>() {
        *place = length;
    }
    whole
}

fn text(out: &mut BytesMut, text: &[u8]) {
    out.put_slice(text);
    out.put_u8(0);
}

fn count(out: &mut BytesMut, n: usize) {
    // Counts come from Int16 fields or from lists the gateway keeps short.
    out.put_u16(u16::try_from(n).unwrap_or(u16::MAX));
}

/// A message without a body.
pub(crate) fn empty(kind: u8) -> Bytes {
    message(kind, |_| {})
}

/// A field of an error or notice ("Error and Notice Message Fields").
#[derive(Debug)]
pub(crate) struct Field<'a>(pub(crate) u8, pub(crate) &'a str);

/// Two texts: `ParameterStatus`.
pub(crate) fn text_pair(kind: u8, name: &str, value: &str) -> Bytes {
    message(kind, |out| {
        text(out, name.as_bytes());
        text(out, value.as_bytes());
    })
}

/// `ReadyForQuery`.
pub(crate) fn ready(status: u8) -> Bytes {
    message(b'Z', |out| out.put_u8(status))
}

/// Protocol 3.0, as start-up packets write it.
const PROTOCOL: i32 = 3 << 16;

/// `NegotiateProtocolVersion`: only 3.0 is spoken, and none of `options` is known. The version goes with its major part,
/// as the server sends it; libpq takes nothing else.
pub(crate) fn negotiate_version(options: &[String]) -> Bytes {
    message(b'v', |out| {
        out.put_i32(PROTOCOL);
        out.put_u32(u32::try_from(options.len()).unwrap_or(u32::MAX));
        for option in options {
            text(out, option.as_bytes());
        }
    })
}

/// The `StartupMessage` of protocol 3.0.
pub(crate) fn startup(parameters: &[(&str, &str)]) -> Bytes {
    counted(|out| {
        out.put_i32(PROTOCOL);
        for (name, value) in parameters {
            text(out, name.as_bytes());
            text(out, value.as_bytes());
        }
        out.put_u8(0);
    })
    .freeze()
}

pub(crate) fn query(statement: &[u8]) -> Bytes {
    message(b'Q', |out| text(out, statement))
}

pub(crate) fn parse(name: &str, statement: &[u8], type_oids: &[u32]) -> Bytes {
    message(b'P', |out| {
        text(out, name.as_bytes());
        text(out, statement);
        count(out, type_oids.len());
        for oid in type_oids {
            out.put_u32(*oid);
        }
    })
}

/// What a Bind says.
#[derive(Debug)]
pub(crate) struct Bind<'a, I> {
    pub(crate) portal: &'a str,
    pub(crate) statement: &'a str,
    /// Format and value of each parameter.
    pub(crate) parameters: I,
    pub(crate) result_formats: &'a [u16],
}

pub(crate) fn bind<'a>(
    what: Bind<'a, impl ExactSizeIterator<Item = (u16, Option<&'a [u8]>)> + Clone>,
) -> Bytes {
    message(b'B', |out| {
        text(out, what.portal.as_bytes());
        text(out, what.statement.as_bytes());
        count(out, what.parameters.len());
        what.parameters.clone().for_each(|(format, _)| out.put_u16(format));
        count(out, what.parameters.len());
        for (_, value) in what.parameters {
            match value {
                None => out.put_i32(-1),
                Some(value) => {
                    out.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
                    out.put_slice(value);
                }
            }
        }
        count(out, what.result_formats.len());
        what.result_formats.iter().for_each(|format| out.put_u16(*format));
    })
}

fn named(kind: u8, of: u8, name: &str) -> Bytes {
    message(kind, |out| {
        out.put_u8(of);
        text(out, name.as_bytes());
    })
}

pub(crate) fn describe_statement(name: &str) -> Bytes {
    named(b'D', b'S', name)
}

pub(crate) fn describe_portal(name: &str) -> Bytes {
    named(b'D', b'P', name)
}

pub(crate) fn close_statement(name: &str) -> Bytes {
    named(b'C', b'S', name)
}

pub(crate) fn close_portal(name: &str) -> Bytes {
    named(b'C', b'P', name)
}

pub(crate) fn execute(portal: &str, rows: i32) -> Bytes {
    message(b'E', |out| {
        text(out, portal.as_bytes());
        out.put_i32(rows);
    })
}

pub(crate) fn copy_fail(reason: &str) -> Bytes {
    message(b'f', |out| text(out, reason.as_bytes()))
}

pub(crate) fn sync() -> Bytes {
    empty(b'S')
}

pub(crate) fn flush() -> Bytes {
    empty(b'H')
}
