//! The methods of HTTP that the API knows.

use super::Unclear;

/// A method. Others are refused: the server maps them to no verb at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Reads; or opens a stream (`exec` over WebSocket).
    Get,
    /// As GET, without the body.
    Head,
    /// Creates; or opens a stream.
    Post,
    /// Replaces.
    Put,
    /// Changes parts.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// Every method.
    pub const ALL: &[Self] =
        &[Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method of this name, which is in capitals.
    pub fn named(name: &str) -> Result<Self, Unclear> {
        Self::ALL.iter().copied().find(|one| one.name() == name).ok_or(Unclear::Method)
    }

    /// Its name in HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether HTTP takes it to change nothing (RFC 9110, section 9.2.1). Which is not what an API server does with it.
    pub const fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head => true,
            Self::Post | Self::Put | Self::Patch | Self::Delete => false,
        }
    }
}
