//! The binary header of the PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt, section 2.2), taken apart. Pure:
//! it reads no socket, and never wants a byte beyond what the header says of itself. Version 1, which is a line of text, is not spoken:
//! its end must be searched for.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The part of every header that comes first: signature, version and command, family, length of the rest.
pub(super) const FIXED: usize = 16;
/// The most bytes of the rest: addresses, and the extensions (TLVs) behind them, which are passed over. What balancers say
/// with everything on stays below a quarter of it.
const MAX_REST: usize = 2048;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 with the commands LOCAL and PROXY.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// TCP over IPv4 and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// The balancer's own: a health check.
    Own,
    /// This client's.
    Client(SocketAddr),
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it does not begin with the signature of version 2")]
    Signature,
    #[error("its version or command is unknown: 0x{0:02x}")]
    Command(u8),
    #[error("it does not say an address of TCP: 0x{0:02x}")]
    Family(u8),
    #[error("it is longer than {MAX_REST} bytes")]
    TooLong,
    #[error("it is shorter than the addresses in it")]
    TooShort,
}

/// What the fixed part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prologue {
    kind: Kind,
    rest: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    Tcp4,
    Tcp6,
}

impl Prologue {
    pub(super) fn read(fixed: [u8; FIXED]) -> Result<Self, HeaderError> {
        let [signature @ .., command, family, high, low] = fixed;
        if signature != SIGNATURE {
            return Err(HeaderError::Signature);
        }
        let rest = usize::from(u16::from_be_bytes([high, low]));
        if rest > MAX_REST {
            return Err(HeaderError::TooLong);
        }
        let kind = match (command, family) {
            // "the receiver must accept this connection as valid and must use the real connection endpoints and discard
            // the protocol block including the family which is ignored"
            (LOCAL, _) => Kind::Own,
            (PROXY, TCP4) => Kind::Tcp4,
            (PROXY, TCP6) => Kind::Tcp6,
            (PROXY, other) => return Err(HeaderError::Family(other)),
            (other, _) => return Err(HeaderError::Command(other)),
        };
        Ok(Self { kind, rest })
    }

    /// How many bytes follow; no more are the header's.
    pub(super) fn rest(self) -> usize {
        self.rest
    }

    /// Whose connection it is, by the bytes that followed: source and destination address, source and destination port.
    pub(super) fn announced(self, rest: &[u8]) -> Result<Announced, HeaderError> {
        let (address, port) = match self.kind {
            Kind::Own => return Ok(Announced::Own),
            Kind::Tcp4 => {
                let addresses = rest.first_chunk::<12>().ok_or(HeaderError::TooShort)?;
                let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
                (Ipv4Addr::new(a, b, c, d).into(), [high, low])
            }
            Kind::Tcp6 => {
                let addresses = rest.first_chunk::<36>().ok_or(HeaderError::TooShort)?;
                let (source, behind) =
                    addresses.split_first_chunk::<16>().ok_or(HeaderError::TooShort)?;
                let [_destination @ .., high, low, _, _] =
                    *behind.first_chunk::<20>().ok_or(HeaderError::TooShort)?;
                (Ipv6Addr::from(*source).to_canonical(), [high, low])
            }
        };
        Ok(Announced::Client(SocketAddr::new(address, u16::from_be_bytes(port))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[u8]) -> Result<Announced, HeaderError> {
        let (fixed, rest) = header.split_first_chunk().unwrap();
        let prologue = Prologue::read(*fixed)?;
        assert_eq!(prologue.rest(), rest.len());
        prologue.announced(rest)
    }

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const FOUR: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0x15, 0x38];

    fn six() -> Vec<u8> {
        let (from, to): (Ipv6Addr, Ipv6Addr) =
            ("2001:db8::7".parse().unwrap(), "fd00::1".parse().unwrap());
        [&from.octets()[..], &to.octets(), &[0x9c, 0x40, 0x15, 0x38]].concat()
    }

    #[test]
    fn a_client_is_announced_by_the_source_address_and_port() {
        let client = |text: &str| Ok(Announced::Client(text.parse().unwrap()));
        assert_eq!(read(&header(PROXY, TCP4, FOUR)), client("192.0.2.7:40000"));
        assert_eq!(read(&header(PROXY, TCP6, &six())), client("[2001:db8::7]:40000"));
        // PP2_TYPE_UNIQUE_ID behind the addresses.
        let extended = [FOUR, &[0x05, 0, 3, b'a', b'b', b'c']].concat();
        assert_eq!(read(&header(PROXY, TCP4, &extended)), client("192.0.2.7:40000"));
    }

    #[test]
    fn a_health_check_is_the_balancers_own_whatever_it_says_besides() {
        for (family, rest) in [(0, &b""[..]), (TCP4, FOUR), (0xff, b"anything")] {
            assert_eq!(read(&header(LOCAL, family, rest)), Ok(Announced::Own));
        }
    }

    #[test]
    fn whatever_is_not_exactly_a_header_of_version_2_is_none() {
        let error = |header: &[u8]| read(header).unwrap_err();
        assert_eq!(error(b"PROXY TCP4 192.0"), HeaderError::Signature);
        for place in 0..SIGNATURE.len() {
            let mut wrong = header(PROXY, TCP4, FOUR);
            wrong[place] ^= 1;
            assert_eq!(error(&wrong), HeaderError::Signature, "{place}");
        }
        for command in (0..=u8::MAX).filter(|command| ![LOCAL, PROXY].contains(command)) {
            assert_eq!(error(&header(command, TCP4, FOUR)), HeaderError::Command(command));
        }
        for family in (0..=u8::MAX).filter(|family| ![TCP4, TCP6].contains(family)) {
            assert_eq!(error(&header(PROXY, family, &six())), HeaderError::Family(family));
        }
    }

    #[test]
    fn addresses_lie_inside_the_length_and_the_length_inside_its_limit() {
        for length in 0..FOUR.len() {
            let cut = header(PROXY, TCP4, &FOUR[..length]);
            assert_eq!(read(&cut), Err(HeaderError::TooShort));
        }
        for length in 0..six().len() {
            let cut = header(PROXY, TCP6, &six()[..length]);
            assert_eq!(read(&cut), Err(HeaderError::TooShort));
        }
        let filled = |length: usize| [FOUR, &vec![0; length - FOUR.len()]].concat();
        assert!(read(&header(PROXY, TCP4, &filled(MAX_REST))).is_ok());
        let long = header(PROXY, TCP4, &filled(MAX_REST + 1));
        assert_eq!(Prologue::read(*long.first_chunk().unwrap()), Err(HeaderError::TooLong));
        // The same for what is passed over.
        let long = header(LOCAL, 0, &vec![0; MAX_REST + 1]);
        assert_eq!(Prologue::read(*long.first_chunk().unwrap()), Err(HeaderError::TooLong));
    }
}
