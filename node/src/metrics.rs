//! Metrics in Prometheus's text format, on a listener of their own without authentication: for loopback or a network of
//! operators. No label holds a name, a statement or anything else that an agent or a person chose.
//!
//! Names are `countersign_<stage>_<noun>_<unit>`. Counters and histograms are written where things happen; gauges of the
//! state are looked at when somebody asks.

pub(crate) mod counters;
mod gauges;
mod listener;

pub use listener::serve;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds of the commit of a proposal.
const COMMIT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What metrics are rendered from.
#[derive(Clone)]
pub struct Handle(PrometheusHandle);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

/// Installs the recorder of this process. A second call in one process keeps the first recorder.
pub fn install() -> Handle {
    let builder = PrometheusBuilder::new();
    let matcher = Matcher::Suffix("_seconds".to_owned());
    // Refused only when there are no buckets.
    let builder = builder
        .set_buckets_for_metric(matcher, COMMIT_BUCKETS)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("metrics were installed before; the earlier recorder stays");
    }
    counters::describe();
    gauges::describe();
    Handle(handle)
}
