//! A request as the agent sent it, as far as its meaning goes, and as the bytes that an approval is for.
//!
//! How it came over the wire is not here: whatever framed it is gone, and is made anew towards the target.

use crate::classify::Method;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path with the query, without the prefix of the gateway.
    pub target: &'a str,
    /// The type of the body, as the agent wrote it.
    pub content_type: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn head(method: Method, target: &'a str) -> Self {
        Self { method, target, content_type: None, body: &[] }
    }

    /// What is fingerprinted, shown to reviewers, and forwarded: method and target, the type of the body where there is one,
    /// and the body byte for byte.
    pub fn text(&self) -> Vec<u8> {
        let Self { method, target, content_type, body } = self;
        let mut text = format!("{} {target}\n", method.name()).into_bytes();
        if let Some(content_type) = content_type {
            text.extend_from_slice(format!("{CONTENT_TYPE}{content_type}\n").as_bytes());
        }
        if !body.is_empty() {
            text.push(b'\n');
            text.extend_from_slice(body);
        }
        text
    }

    /// Reads what [`text`](Self::text) has written; `None` is another text.
    pub fn of_text(text: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = line(text)?;
        let (method, target) = head.split_once(' ')?;
        let method = Method::named(method).ok()?;
        let mut content_type = None;
        if rest.first().is_some_and(|first| *first != b'\n') {
            let (header, behind) = line(rest)?;
            content_type = Some(header.strip_prefix(CONTENT_TYPE)?);
            rest = behind;
        }
        let body = if rest.is_empty() { rest } else { rest.strip_prefix(b"\n")? };
        Some(Self { method, target, content_type, body })
    }
}

/// What stands before the type of a body.
const CONTENT_TYPE: &str = "Content-Type: ";

fn line(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_everything_that_is_forwarded_and_is_read_one_way_only() {
        let put = Request {
            method: Method::Put,
            target: "/api/v1/namespaces/shop/pods/web",
            content_type: Some("application/json"),
            body: b"{\n}\n",
        };
        let text = String::from_utf8(put.text()).unwrap();
        assert_eq!(
            text,
            "PUT /api/v1/namespaces/shop/pods/web\nContent-Type: application/json\n\n{\n}\n"
        );
        let get = Request::head(Method::Get, "/version");
        assert_eq!(get.text(), b"GET /version\n");
        // A body cannot look like a head: the blank line stands before the first body only.
        let other = Request {
            content_type: None,
            body: b"Content-Type: application/json\n\n{\n}\n",
            ..put
        };
        assert_ne!(other.text(), put.text());
    }

    #[test]
    fn what_is_forwarded_is_read_from_the_text_as_it_was_written() {
        for content_type in [None, Some("application/json")] {
            for body in [&b""[..], b"{}", b"\n", b"\n\nx", b"Content-Type: a\n\n"] {
                let target = "/api/v1/pods?x=1";
                let request = Request { method: Method::Patch, target, content_type, body };
                let text = request.text();
                let read = Request::of_text(&text).unwrap();
                let all = (read.method, read.target, read.content_type, read.body);
                assert_eq!(all, (Method::Patch, target, content_type, body));
            }
        }
        for other in ["", "GET /", "GET\n", "FETCH /\n", "GET /\nx", "GET /\nx: y\n\n"] {
            assert!(Request::of_text(other.as_bytes()).is_none(), "{other:?}");
        }
    }
}
