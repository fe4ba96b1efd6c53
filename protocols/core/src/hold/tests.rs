//! Every state of a hold against every event.
