//! Credentials that say what they are: JSON Web Tokens, bearer tokens, ids of AWS keys, private keys in PEM.

use super::{Found, runs, stands, stands_alone};

/// The shortest JWT worth the name: a header with an algorithm, and two dots.
pub(super) const LEAST_JWT: usize = 20;
/// The shortest bearer token with its scheme in front.
pub(super) const LEAST_BEARER: usize = BEARER.len() + 1 + LEAST_TOKEN;
/// The length of the id of an AWS key.
pub(super) const AWS_KEY: usize = 20;
/// What a bearer token has at least: shorter words follow the word `bearer` in texts about bearers.
const LEAST_TOKEN: usize = 16;
const BEARER: &str = "bearer";
/// The prefixes of ids of keys that open something (IAM User Guide, "Unique identifiers").
const AWS_PREFIXES: [&str; 2] = ["AKIA", "ASIA"];

/// A header is a JSON object, and `{"` is written `eyJ` in base64url.
pub(super) fn find_jwts(text: &str, found: Found<'_>) {
    if !text.contains("eyJ") {
        return;
    }
    let bytes = text.as_bytes();
    for run in
        runs(bytes, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    {
        let Some(shown) = text.get(run.clone()) else { continue };
        let Some(header) = shown.find("eyJ") else { continue };
        let token = shown.get(header..).unwrap_or_default();
        // A detached payload (RFC 7515, appendix F) is empty; header and signature are not.
        let segments = token.split('.').count();
        if token.len() >= LEAST_JWT && segments >= 3 {
            found(run.start + header..run.end);
        }
    }
}

/// The scheme's name does not depend on its case (RFC 9110, section 11.1).
pub(super) fn find_bearers(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    for (blank, _) in text.match_indices(' ') {
        let Some(scheme) = blank.checked_sub(BEARER.len()) else { continue };
        let is_bearer = bytes
            .get(scheme..blank)
            .is_some_and(|word| word.eq_ignore_ascii_case(BEARER.as_bytes()));
        if !is_bearer || stands(bytes, scheme.checked_sub(1), |byte| byte.is_ascii_alphabetic()) {
            continue;
        }
        let behind = bytes.get(blank + 1..).unwrap_or_default();
        // `b64token` of RFC 6750.
        let length = behind.iter().position(|byte| !is_b64(*byte)).unwrap_or(behind.len());
        if length >= LEAST_TOKEN {
            found(blank + 1..blank + 1 + length);
        }
    }
}

const fn is_b64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

pub(super) fn find_aws_keys(text: &str, found: Found<'_>) {
    if !AWS_PREFIXES.iter().any(|prefix| text.contains(prefix)) {
        return;
    }
    let bytes = text.as_bytes();
    for run in runs(bytes, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        let shown = bytes.get(run.clone()).unwrap_or_default();
        let is_id = shown.len() == AWS_KEY
            && AWS_PREFIXES.iter().any(|prefix| shown.starts_with(prefix.as_bytes()));
        if is_id && stands_alone(bytes, &run) {
            found(run);
        }
    }
}

/// From a `BEGIN` of a private key to its `END`, or to the end of the text where that is cut off.
pub(super) fn find_private_keys(text: &str, found: Found<'_>) {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    const DASHES: &str = "-----";
    let mut from = 0;
    while let Some(begin) = text.get(from..).and_then(|rest| rest.find(BEGIN)) {
        let start = from + begin;
        let label_at = start + BEGIN.len();
        let Some(behind) = text.get(label_at..) else { return };
        let Some(label) = behind.find(DASHES) else { return };
        from = label_at + label;
        if !behind.get(..label).unwrap_or_default().ends_with("PRIVATE KEY") {
            continue;
        }
        let body = text.get(from + DASHES.len()..).unwrap_or_default();
        let end = body.find(END).and_then(|end| {
            let last = body.get(end + END.len()..)?.find(DASHES)?;
            Some(from + DASHES.len() + end + END.len() + last + DASHES.len())
        });
        from = end.unwrap_or(text.len());
        found(start..from);
    }
}
