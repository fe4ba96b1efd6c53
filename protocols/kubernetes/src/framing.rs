//! The head of a request as HTTP has it: version, method and where it is for. Only forms that can be read in one way are taken;
//! what other servers make of the others is no concern here, for a request goes to its target as a new one.

use crate::{
    classify::{Method, Unclear},
    headers::BadHeader,
    serve::MAX_HEADERS,
    status::Status,
};
use countersign_core::{refusal::Refusal, target::TargetName};
use hyper::{
    HeaderMap, Uri, Version,
    header::{HOST, TRANSFER_ENCODING},
    http::request::Parts,
};

/// What stands before a target's name.
const PREFIX: &str = "/k8s/";

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The method.
    pub(crate) method: Method,
    /// The name of the target; none where it can be nobody's.
    pub(crate) name: Option<TargetName>,
    /// The path with the query, without the prefix of the gateway.
    pub(crate) target: String,
}

/// A head that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHead {
    #[error("HTTP/1.1 or HTTP/2 is spoken here")]
    Version,
    #[error(transparent)]
    Method(#[from] Unclear),
    /// RFC 9112, section 6.3: the two ways to say how long a body is are where servers differ.
    #[error("the length of a body is said by Content-Length, and not by Transfer-Encoding")]
    TransferEncoding,
    #[error("a request names its host once, and its path without one")]
    Host,
    #[error("there are more than {MAX_HEADERS} headers")]
    Headers,
    #[error("paths here are /k8s/TARGET/...")]
    Prefix,
    #[error(transparent)]
    Header(#[from] BadHeader),
}

impl From<BadHead> for Status {
    fn from(bad: BadHead) -> Self {
        match bad {
            BadHead::Method(unclear) => unclear.into(),
            BadHead::Header(bad) => bad.into(),
            BadHead::Version
            | BadHead::TransferEncoding
            | BadHead::Host
            | BadHead::Headers
            | BadHead::Prefix => (&Refusal::Protocol { message: bad.to_string() }).into(),
        }
    }
}

/// Reads a head.
pub(crate) fn read(parts: &Parts) -> Result<Head, BadHead> {
    let method = Method::named(parts.method.as_str())?;
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(BadHead::TransferEncoding);
    }
    if parts.headers.len() > MAX_HEADERS {
        return Err(BadHead::Headers);
    }
    host(parts.version, &parts.uri, &parts.headers)?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let behind = path.strip_prefix(PREFIX).ok_or(BadHead::Prefix)?;
    let end = behind.find(['/', '?']).unwrap_or(behind.len());
    let (name, target) = behind.split_at_checked(end).ok_or(BadHead::Prefix)?;
    Ok(Head { method, name: TargetName::parse(name).ok(), target: target.to_owned() })
}

/// The host decides nothing here. One that is said twice, in two ways, is of somebody who hopes that it does elsewhere.
fn host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), BadHead> {
    let mut named = headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let authority = uri.authority().map(hyper::http::uri::Authority::as_str);
    let good = match version {
        // The origin form (RFC 9112, section 3.2.1).
        Version::HTTP_11 => authority.is_none() && uri.scheme().is_none() && first.is_some(),
        Version::HTTP_2 => {
            let same =
                first.is_none_or(|host| authority.map(str::as_bytes) == Some(host.as_bytes()));
            uri.scheme_str() == Some("https") && authority.is_some() && same
        }
        _ => return Err(BadHead::Version),
    };
    if good && second.is_none() { Ok(()) } else { Err(BadHead::Host) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn read_of(
        version: Version,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Head, BadHead> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap().into_parts().0)
    }

    const HOSTED: &[(&str, &str)] = &[("host", "node:6443")];

    #[test]
    fn a_path_begins_with_its_target_and_goes_on_as_the_target_has_it() {
        let read = |uri| {
            let head = read_of(Version::HTTP_11, "GET", uri, HOSTED)?;
            Ok((head.name.map(|name| name.to_string()), head.target))
        };
        let of = |name: &str, target: &str| Ok((Some(name.to_owned()), target.to_owned()));
        assert_eq!(read("/k8s/prod/api/v1/pods?limit=5"), of("prod", "/api/v1/pods?limit=5"));
        assert_eq!(read("/k8s/prod"), of("prod", ""));
        assert_eq!(read("/k8s/prod?x=/y"), of("prod", "?x=/y"));
        assert_eq!(read("/k8s/prod//api"), of("prod", "//api"));
        assert_eq!(read("/k8s/PROD/api"), Ok((None, "/api".to_owned())));
        assert_eq!(read("/k8s/pr%6fd/api"), Ok((None, "/api".to_owned())));
        for other in ["/", "/k8s", "/K8S/prod/api", "/api/v1/pods", "//k8s/prod", "/x/../k8s/prod"]
        {
            assert_eq!(read(other), Err(BadHead::Prefix), "{other}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_taken() {
        let path = "/k8s/prod/version";
        let with = |extra: &[(&'static str, &'static str)]| [HOSTED, extra].concat();
        let at = |headers: &[(&str, &str)]| read_of(Version::HTTP_11, "GET", path, headers);
        assert!(at(HOSTED).is_ok());
        assert_eq!(at(&[]), Err(BadHead::Host));
        assert_eq!(at(&with(&[("host", "other")])), Err(BadHead::Host));
        let chunked = with(&[("transfer-encoding", "chunked")]);
        assert_eq!(at(&chunked), Err(BadHead::TransferEncoding));
        let absolute = format!("https://other{path}");
        let absolute = read_of(Version::HTTP_11, "GET", &absolute, HOSTED);
        assert_eq!(absolute, Err(BadHead::Host));
        let old = read_of(Version::HTTP_10, "GET", path, HOSTED);
        assert_eq!(old, Err(BadHead::Version));
        for method in ["OPTIONS", "CONNECT", "TRACE", "get", "PROPFIND"] {
            let refused = read_of(Version::HTTP_11, method, path, HOSTED);
            assert_eq!(refused, Err(BadHead::Method(Unclear::Method)), "{method}");
        }
    }

    #[test]
    fn over_http_2_the_authority_is_the_host() {
        let path = "/k8s/prod/version";
        let at =
            |uri: &str, headers: &[(&str, &str)]| read_of(Version::HTTP_2, "GET", uri, headers);
        let good = format!("https://node:6443{path}");
        assert!(at(&good, &[]).is_ok());
        assert!(at(&good, HOSTED).is_ok());
        assert_eq!(at(&good, &[("host", "other")]), Err(BadHead::Host));
        assert_eq!(at(path, HOSTED), Err(BadHead::Host));
        assert_eq!(at(&format!("http://node:6443{path}"), &[]), Err(BadHead::Host));
    }
}
