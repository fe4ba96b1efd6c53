//! The masker without a target: where values come from, and what comes in their place.

mod flow;
mod values;
