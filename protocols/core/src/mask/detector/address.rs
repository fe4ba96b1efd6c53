//! Addresses of the Internet Protocol, and UUIDs: what the standard library or a fixed shape can tell.

use super::{Found, runs, sliding, stands, stands_alone};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest way to write an IPv6 address (RFC 4291, section 2.2, with an IPv4 address at its end).
const LONGEST_IPV6: usize = 45;
/// The longest way to write an IPv4 address.
const LONGEST_IPV4: usize = 15;
/// The shortest.
const SHORTEST_IPV4: usize = 7;
/// Colons in an IPv6 address that is not shortened by `::`, at least: six and an IPv4 address.
const COLONS: usize = 6;
/// The lengths of the groups of a UUID (RFC 9562, section 4).
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

pub(super) fn find_ipv4(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    for run in runs(bytes, |byte| byte.is_ascii_digit() || byte == b'.') {
        if run.len() < SHORTEST_IPV4 {
            continue;
        }
        let Some(shown) = text.get(run.clone()) else { continue };
        // A full stop may stand behind it.
        let shown = shown.trim_end_matches('.');
        let range = run.start..run.start + shown.len();
        let is_address = shown.len() <= LONGEST_IPV4 && shown.parse::<Ipv4Addr>().is_ok();
        if is_address && stands_alone(bytes, &range) {
            found(range);
        }
    }
}

pub(super) fn find_ipv6(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    if !text.contains("::") && text.matches(':').count() < COLONS {
        return;
    }
    let belongs = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    for run in runs(bytes, belongs) {
        let Some(shown) = text.get(run.clone()) else { continue };
        let shown = shown.trim_end_matches('.');
        // A single colon behind it ends a clause, two belong to it.
        let shown = match shown.strip_suffix(':') {
            Some(without) if !without.ends_with(':') => without,
            Some(_) | None => shown,
        };
        let range = run.start..run.start + shown.len();
        // Without a digit it is a path of names in a programming language.
        let has_digit = shown.bytes().any(|byte| byte.is_ascii_digit());
        let is_address =
            has_digit && shown.len() <= LONGEST_IPV6 && shown.parse::<Ipv6Addr>().is_ok();
        if is_address && stands_alone(bytes, &range) {
            found(range);
        }
    }
}

pub(super) fn find_uuids(text: &str, found: Found<'_>) {
    let bytes = text.as_bytes();
    for groups in sliding::<5>(runs(bytes, |byte| byte.is_ascii_hexdigit())) {
        let [first, .., last] = &groups;
        let lengths = groups.each_ref().map(ExactSizeIterator::len) == UUID_GROUPS;
        // Each of the four gaps is one dash wide.
        let joined = last.end - first.start == UUID_GROUPS.iter().sum::<usize>() + 4
            && groups
                .iter()
                .take(4)
                .all(|group| stands(bytes, Some(group.end), |byte| byte == b'-'));
        let range = first.start..last.end;
        if lengths && joined && stands_alone(bytes, &range) {
            found(range);
        }
    }
}
