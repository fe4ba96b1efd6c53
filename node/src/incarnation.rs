//! One start of a node: its `NodeUp` entry in the log.
