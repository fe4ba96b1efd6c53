//! A machine that keeps pairs, counts repetitions and can be told to misbehave.

use crate::machine::{Applied, Batch, Halt, Machine, Overlay, View, Writes};

/// Commands: `set KEY VALUE`, `unknown`. The reply is the number of times the key was set. A `crooked` machine stores
/// something else than it is told.
#[derive(Debug, Default)]
pub(crate) struct Toy {
    pub(super) crooked: bool,
}

pub(super) fn set(key: &str, value: &str) -> Vec<u8> {
    format!("set {key} {value}").into_bytes()
}

impl Machine for Toy {
    fn apply(&self, view: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt> {
        let mut applied = Applied::default();
        let mut writes = Writes::new();
        for command in batch.commands {
            let text = String::from_utf8_lossy(command);
            let words: Vec<&str> = text.split(' ').collect();
            let ["set", key, value] = words[..] else {
                return Err(Halt::UnknownCommand { index: batch.index, detail: "no set".into() });
            };
            let count_key = format!("count/{key}");
            let overlay = Overlay::new(view, &writes);
            let count = overlay
                .get(count_key.as_bytes())?
                .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
                + 1;
            let value = if self.crooked { "crooked" } else { value };
            writes.put(format!("pair/{key}"), value);
            writes.put(count_key, count.to_be_bytes());
            writes.put("at_ms", batch.at_ms.to_be_bytes());
            applied.replies.push(count.to_string().into_bytes());
            applied.effects.push(key.as_bytes().to_vec());
        }
        applied.writes = writes;
        Ok(applied)
    }
}
