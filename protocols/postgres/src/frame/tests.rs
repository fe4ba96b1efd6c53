//! Tests of reading and writing messages: their limits, and bytes that are cut anywhere.
