//! A target that does not answer the gateway is not waited for for ever.

use super::*;
use crate::{
    frame::{FrameReader, Stream, TargetWriter},
    target::{PostgresTarget, TargetAddress, TargetTls},
    upstream::{Asides, TargetCancel},
};
use countersign_core::target::TargetName;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::{
    io::{DuplexStream, duplex, split},
    time::Instant,
};

/// A connection whose other end takes everything and says nothing.
fn silent() -> (Upstream, DuplexStream) {
    let (near, far) = duplex(1024 * 1024);
    let stream: Stream = Box::new(near);
    let (reader, writer) = split(stream);
    let target = PostgresTarget {
        name: TargetName::parse("orders").unwrap(),
        address: TargetAddress::Unix { directory: PathBuf::new(), port: 5432 },
        tls: TargetTls::Disabled,
        databases: Vec::new(),
        search_path: Vec::new(),
        roles: BTreeMap::new(),
        read_limit: None,
        record_rows: crate::RecordedRows::None,
        allow_functions: Vec::new(),
        keepalive: countersign_edge::Keepalive::default(),
    };
    let upstream = Upstream {
        reader: FrameReader::new(reader),
        writer: TargetWriter::new(writer),
        cancel: TargetCancel { target: Arc::new(target), process: 0, secret: 0 },
        reported: Vec::new(),
        asides: Asides::default(),
    };
    (upstream, far)
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_the_gateway_is_given_up() {
    let start = Instant::now();
    let (mut upstream, _far) = silent();
    let refused = upstream.own(&["SELECT 1".to_owned()], Standing::Alone).await;
    assert!(matches!(refused, Err(OwnError::Frame(FrameError::Late))), "{refused:?}");
    let (mut upstream, _far) = silent();
    assert!(matches!(upstream.resynchronise().await, Err(FrameError::Late)));
    assert!(matches!(upstream.until_ready().await, Err(FrameError::Late)));
    assert!(matches!(upstream.fail_transaction().await, Err(FrameError::Late)));
    assert_eq!(start.elapsed(), OWN_DEADLINE * 4);
}
