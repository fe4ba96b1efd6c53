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
            text.extend_from_slice(format!("Content-Type: {content_type}\n").as_bytes());
        }
        if !body.is_empty() {
            text.push(b'\n');
            text.extend_from_slice(body);
        }
        text
    }
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
}
