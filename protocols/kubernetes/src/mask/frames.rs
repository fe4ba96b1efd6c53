//! The frames of a stream of JSON documents, as a watch sends them: one document behind the other, however they are
//! written and wherever the network cuts them.

use countersign_core::mask::MaskError;

/// The largest frame. A frame is an object with the kind of its event, and etcd takes objects of 1.5 MiB.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Finds where documents end.
#[derive(Debug, Default)]
pub struct Frames {
    /// What has come of the frame that is not whole yet.
    begun: Vec<u8>,
    depth: usize,
    within: Within,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    #[default]
    Structure,
    String,
    Escape,
}

impl Frames {
    /// Takes some of the stream, and hands out the frames that are whole with it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, MaskError> {
        let mut whole = Vec::new();
        for byte in bytes {
            // Between frames there is nothing but white space.
            if self.begun.is_empty() {
                match byte {
                    b' ' | b'\n' | b'\r' | b'\t' => continue,
                    b'{' => {}
                    _ => return Err(MaskError::Unreadable),
                }
            }
            if self.begun.len() >= MAX_FRAME_BYTES {
                return Err(MaskError::TooLarge { most: MAX_FRAME_BYTES });
            }
            self.begun.push(*byte);
            self.step(*byte)?;
            if self.depth == 0 {
                whole.push(std::mem::take(&mut self.begun));
            }
        }
        Ok(whole)
    }

    /// Bytes of the frame that is not whole yet.
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// The end of the stream: nothing may be begun.
    pub fn finish(&self) -> Result<(), MaskError> {
        if self.begun.is_empty() { Ok(()) } else { Err(MaskError::Unreadable) }
    }

    fn step(&mut self, byte: u8) -> Result<(), MaskError> {
        self.within = match (self.within, byte) {
            (Within::Structure, b'"') | (Within::Escape, _) => Within::String,
            (Within::String, b'"') => Within::Structure,
            (Within::String, b'\\') => Within::Escape,
            (within, _) => within,
        };
        if self.within == Within::Structure {
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.checked_sub(1).ok_or(MaskError::Unreadable)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
