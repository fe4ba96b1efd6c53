//! An upgrade of an agent's connection to WebSocket (RFC 6455), which streams of containers need: what is asked for, and the
//! answer to it. Other protocols are refused. What goes over it then is `container`'s.

pub(crate) mod container;

mod held;
mod input;
mod relay;
mod socket;
mod target;

use crate::{
    answer::{self, Answer},
    headers::BadHeader,
    mask,
};
use hyper::{
    HeaderMap, Response, StatusCode, Version,
    header::{
        CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The length of a key: 16 bytes in base64 (RFC 6455, section 4.1).
const KEY_LENGTH: usize = 24;
/// The version (section 4.1): "The value of this header field MUST be 13."
const VERSION: &str = "13";
/// The name of the protocol.
const WEBSOCKET: &str = "websocket";

/// How the streams of a container are put into one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// Channels, of which one can be closed.
    V5,
    /// Channels.
    V4,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::V5, Self::V4];

    const fn name(self) -> &'static str {
        match self {
            Self::V5 => "v5.channel.k8s.io",
            Self::V4 => "v4.channel.k8s.io",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What an agent asks for, which can be granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    accept: String,
    /// The first of the agent's protocols that is known.
    pub(crate) protocol: Protocol,
}

impl Wish {
    /// Reads it.
    pub(crate) fn read(version: Version, headers: &HeaderMap) -> Result<Self, BadHeader> {
        let upgrade = one(headers, &UPGRADE)?;
        if upgrade.to_ascii_lowercase().starts_with("spdy/") {
            return Err(BadHeader::Spdy);
        }
        let is_websocket = upgrade.eq_ignore_ascii_case(WEBSOCKET)
            && version == Version::HTTP_11
            && tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
            && one(headers, &SEC_WEBSOCKET_VERSION)? == VERSION;
        let key = one(headers, &SEC_WEBSOCKET_KEY)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
        let is_key = key.len() == KEY_LENGTH
            && key.strip_suffix("==").is_some_and(|digits| digits.chars().all(plain));
        let protocol = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(Protocol::named);
        match protocol {
            Some(protocol) if is_websocket && is_key => {
                Ok(Self { accept: derive_accept_key(key.as_bytes()), protocol })
            }
            Some(_) | None => Err(BadHeader::Upgrade),
        }
    }

    /// The answer that grants it.
    pub(crate) fn granted(&self) -> Answer {
        let mut answer = Response::new(answer::whole(mask::own(Vec::new())));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol.name()));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        answer
    }
}

/// The value of a header that stands once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, BadHeader> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| BadHeader::Value),
        (Some(_), Some(_)) => Err(BadHeader::Twice),
        (None, _) => Err(BadHeader::Upgrade),
    }
}

/// The words of a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|token| token.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the example in RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn wish(headers: &[(&str, &str)]) -> Result<Wish, BadHeader> {
        let mut made = HeaderMap::new();
        for (name, value) in headers {
            made.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        Wish::read(Version::HTTP_11, &made)
    }

    const GOOD: [(&str, &str); 5] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io"),
    ];

    #[test]
    fn a_wish_is_granted_as_the_standard_has_it() {
        let wish = wish(&GOOD).unwrap();
        assert_eq!(wish.protocol, Protocol::V5);
        let granted = wish.granted();
        assert_eq!(granted.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(granted.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(granted.headers()[SEC_WEBSOCKET_PROTOCOL], "v5.channel.k8s.io");
    }

    #[test]
    fn whatever_is_not_quite_a_wish_is_refused() {
        for (place, value) in [
            (0, "h2c"),
            (0, "websocket, h2c"),
            (1, "close"),
            (2, "12"),
            (3, "short=="),
            (3, "dGhlIHNhbXBsZSBub25jZQ!="),
            (4, "v3.channel.k8s.io"),
            (4, "SPDY/3.1+portforward.k8s.io"),
        ] {
            let mut headers = GOOD;
            headers[place].1 = value;
            assert_eq!(wish(&headers), Err(BadHeader::Upgrade), "{value}");
        }
        for missing in 0..GOOD.len() {
            let mut headers = GOOD.to_vec();
            headers.remove(missing);
            assert_eq!(wish(&headers), Err(BadHeader::Upgrade), "{missing}");
        }
        let mut spdy = GOOD;
        spdy[0].1 = "SPDY/3.1";
        assert_eq!(wish(&spdy), Err(BadHeader::Spdy));
        let twice = [&GOOD[..], &[("sec-websocket-key", KEY)]].concat();
        assert_eq!(wish(&twice), Err(BadHeader::Twice));
        let mut headers = HeaderMap::new();
        for (name, value) in GOOD {
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        assert_eq!(Wish::read(Version::HTTP_2, &headers), Err(BadHeader::Upgrade));
    }
}
