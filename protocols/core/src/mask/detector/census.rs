//! One pass over a text that counts what detectors need to see. It decides only where not to look.

/// How often some bytes are in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::mask) struct Census {
    pub(super) length: usize,
    pub(super) digits: usize,
    /// ASCII letters.
    pub(super) letters: usize,
    /// Those of them that are capitals.
    pub(super) capitals: usize,
    pub(super) at: usize,
    pub(super) dots: usize,
    pub(super) colons: usize,
    pub(super) dashes: usize,
}

/// A lane of eight bits for each count. Bytes that no detector asks for count nowhere.
const WEIGHTS: [u64; 256] = weights();
const DIGIT: u32 = 0;
const LETTER: u32 = 8;
const AT: u32 = 16;
const DOT: u32 = 24;
const COLON: u32 = 32;
const DASH: u32 = 40;
const CAPITAL: u32 = 48;
/// So many bytes cannot overflow a lane.
const STRIDE: usize = 255;

#[expect(clippy::indexing_slicing, reason = "a byte is always inside of a table of 256")]
const fn weights() -> [u64; 256] {
    let mut weights = [0; 256];
    let mut byte = 0_u8;
    loop {
        weights[byte as usize] = match byte {
            b'0'..=b'9' => 1 << DIGIT,
            b'A'..=b'Z' => 1 << LETTER | 1 << CAPITAL,
            b'a'..=b'z' => 1 << LETTER,
            b'@' => 1 << AT,
            b'.' => 1 << DOT,
            b':' => 1 << COLON,
            b'-' => 1 << DASH,
            _ => 0,
        };
        if byte == u8::MAX {
            return weights;
        }
        byte += 1;
    }
}

impl Census {
    /// Counts.
    #[expect(clippy::indexing_slicing, reason = "a byte is always inside of a table of 256")]
    pub(in crate::mask) fn of(text: &str) -> Self {
        let mut census = Self { length: text.len(), ..Self::default() };
        for stride in text.as_bytes().chunks(STRIDE) {
            let sum: u64 = stride.iter().map(|byte| WEIGHTS[usize::from(*byte)]).sum();
            let lane = |shift: u32| (sum >> shift & 0xff) as usize;
            census.digits += lane(DIGIT);
            census.letters += lane(LETTER);
            census.capitals += lane(CAPITAL);
            census.at += lane(AT);
            census.dots += lane(DOT);
            census.colons += lane(COLON);
            census.dashes += lane(DASH);
        }
        census
    }
}
