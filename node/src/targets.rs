//! Targets as the adapters use them, from the resources in force.
