//! A receipt comes from a committed intent.
use countersign_core::{
    id::{LogIndex, OperationId},
    permit::Receipt,
};

fn forged(operation: OperationId, index: LogIndex) -> Receipt {
    Receipt { operation, index }
}

fn main() {}
