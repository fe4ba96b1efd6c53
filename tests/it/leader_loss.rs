//! Soon: leader_loss.
