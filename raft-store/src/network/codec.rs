//! From values to frames and back, on both sides.

use tonic::Status;

use super::proto::Frame;
use crate::encoding::{Encoded, EncodingError};

/// The frame of a value.
pub(super) fn frame(value: &impl Encoded) -> Result<Frame, EncodingError> {
    Ok(Frame { data: value.encode()?.into() })
}

/// The frame of an answer.
pub(super) fn answer(value: &impl Encoded) -> Result<tonic::Response<Frame>, Status> {
    frame(value)
        .map(tonic::Response::new)
        .map_err(|error| Status::internal(format!("the answer cannot be encoded: {error}")))
}

/// The value of a peer's frame.
pub(super) fn value<T: Encoded>(frame: &Frame) -> Result<T, Status> {
    T::decode(&frame.data)
        .map_err(|error| Status::invalid_argument(format!("a bad frame: {error}")))
}
