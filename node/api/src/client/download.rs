//! An answer that is read as it comes, because it is too long to keep. What is in it is the caller's business.

use super::ClientError;
use bytes::Bytes;

/// An answer that is read as it comes.
#[derive(Debug)]
pub struct Download {
    pub(super) endpoint: String,
    pub(super) response: reqwest::Response,
}

impl Download {
    /// The next piece; none at the end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        let endpoint = &self.endpoint;
        let broken = |source| ClientError::Transport { endpoint: endpoint.clone(), source };
        self.response.chunk().await.map_err(broken)
    }
}
