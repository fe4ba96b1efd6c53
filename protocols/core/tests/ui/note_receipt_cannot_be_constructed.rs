//! The receipt of a note comes from a synced note.
use countersign_core::{id::OperationId, permit::NoteReceipt};

fn forged(operation: OperationId) -> NoteReceipt {
    NoteReceipt { operation }
}

fn main() {}
