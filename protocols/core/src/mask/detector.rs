//! Detectors: what in a text looks like personal data or a credential, wherever it came from. Each is written so that its
//! work grows with the length of the text and not faster, whatever the text is.
//!
//! One pass over the bytes ([`Census`]) says which detectors can find anything at all; most values end there. What a
//! detector finds is checked as far as the format allows: check digits, lengths, ranges. A text that hides what it says
//! (encoded, split, spelt out) is not found: that is what rules over columns are for.

mod address;
mod census;
mod email;
mod iban;
mod number;
mod secret;

pub(super) use census::Census;
pub(super) use number::OfDigits;

use std::{ops::Range, str::FromStr};

/// Takes the places of what is found.
pub(super) type Found<'a> = &'a mut dyn FnMut(Range<usize>);

macro_rules! detectors {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Finds one sort of data in texts.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Detector { $($(#[$doc])* $variant),+ }

        impl Detector {
            /// Every detector.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

detectors! {
    /// Addresses of electronic mail.
    Email = "email",
    /// Numbers of payment cards, with their check digit (ISO/IEC 7812-1, annex B).
    PaymentCard = "payment_card",
    /// Bank account numbers, with their check digits (ISO 13616).
    Iban = "iban",
    /// US social security numbers, written in groups.
    UsSsn = "us_ssn",
    /// Telephone numbers: international ones (`+…`, `00…`), and those of North America written in groups.
    Phone = "phone",
    /// IPv4 addresses.
    Ipv4 = "ipv4",
    /// IPv6 addresses.
    Ipv6 = "ipv6",
    /// JSON Web Tokens (RFC 7519), signed or encrypted.
    Jwt = "jwt",
    /// Bearer tokens as HTTP writes them (RFC 6750, section 2.1).
    BearerToken = "bearer_token",
    /// Ids of AWS access keys.
    AwsAccessKey = "aws_access_key",
    /// Private keys in PEM (RFC 7468), from their first line to their last.
    PrivateKey = "private_key",
    /// UUIDs. Not among the default ones: in most databases they name rows and not people.
    Uuid = "uuid",
}

/// A text that names no detector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no detector of this name; there are {}", names())]
pub struct DetectorError;

fn names() -> String {
    let names: Vec<_> = Detector::ALL.iter().map(|detector| detector.name()).collect();
    names.join(", ")
}

impl FromStr for Detector {
    type Err = DetectorError;

    fn from_str(text: &str) -> Result<Self, DetectorError> {
        Self::ALL.iter().copied().find(|known| known.name() == text).ok_or(DetectorError)
    }
}

impl Detector {
    /// The detectors that a document means by `default`.
    pub fn by_default() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|detector| *detector != Self::Uuid)
    }

    /// Whether it can find anything in a text of these bytes.
    pub(super) const fn is_possible(self, census: &Census) -> bool {
        match self {
            Self::Email => census.at >= 1 && census.dots >= 1,
            Self::PaymentCard => census.digits >= 13,
            Self::Iban => census.digits >= 6 && census.letters >= 2 && census.length >= 15,
            Self::UsSsn => census.digits >= 9 && census.length >= 11,
            Self::Phone => census.digits >= 8,
            Self::Ipv4 => census.digits >= 4 && census.dots >= 3,
            Self::Ipv6 => census.colons >= 2,
            Self::Jwt => census.dots >= 2 && census.length >= secret::LEAST_JWT,
            Self::BearerToken => census.letters >= 6 && census.length >= secret::LEAST_BEARER,
            Self::AwsAccessKey => {
                census.capitals >= 4 && census.capitals + census.digits >= secret::AWS_KEY
            }
            Self::PrivateKey => census.dashes >= 10,
            Self::Uuid => census.dashes >= 4 && census.length >= 36,
        }
    }

    /// Says every place where it finds something.
    pub(super) fn find(self, text: &str, found: Found<'_>) {
        match self {
            Self::Email => email::find(text, found),
            Self::PaymentCard | Self::Iban | Self::UsSsn | Self::Phone => {
                let mut alone = OfDigits::default();
                alone.takes(self, ());
                alone.find(text, &mut |place, ()| found(place));
            }
            Self::Ipv4 => address::find_ipv4(text, found),
            Self::Ipv6 => address::find_ipv6(text, found),
            Self::Jwt => secret::find_jwts(text, found),
            Self::BearerToken => secret::find_bearers(text, found),
            Self::AwsAccessKey => secret::find_aws_keys(text, found),
            Self::PrivateKey => secret::find_private_keys(text, found),
            Self::Uuid => address::find_uuids(text, found),
        }
    }
}

/// The longest stretches of bytes that `belongs` is true of, in order.
fn runs<'a>(
    bytes: &'a [u8],
    belongs: impl Fn(u8) -> bool + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|byte| belongs(*byte))?;
        let length = bytes.get(start..)?.iter().position(|byte| !belongs(*byte));
        at = length.map_or(bytes.len(), |length| start + length);
        Some(start..at)
    })
}

/// Each `N` neighbours of `ranges`, one window behind the other.
fn sliding<const N: usize>(
    mut ranges: impl Iterator<Item = Range<usize>>,
) -> impl Iterator<Item = [Range<usize>; N]> {
    let mut window = std::array::from_fn(|_| 0..0);
    let mut missing = N;
    std::iter::from_fn(move || {
        loop {
            let next = ranges.next()?;
            window.rotate_left(1);
            if let Some(last) = window.last_mut() {
                *last = next;
            }
            missing = missing.saturating_sub(1);
            if missing == 0 {
                return Some(window.clone());
            }
        }
    })
}

/// Whether a byte is there, at `place`, of which `is` is true.
fn stands(bytes: &[u8], place: Option<usize>, is: impl Fn(u8) -> bool) -> bool {
    place.and_then(|place| bytes.get(place)).is_some_and(|byte| is(*byte))
}

/// Whether no letter or digit touches `range`.
fn stands_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric();
    !stands(bytes, range.start.checked_sub(1), is_part) && !stands(bytes, Some(range.end), is_part)
}
