//! What becomes of a covered value, and which of two kinds is the stricter.

/// What becomes of a covered value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MaskKind {
    /// The first and last characters stay, those between become `*`. A value that is not at least twice as long as what
    /// would stay is hidden whole.
    Partial {
        /// Characters kept at the beginning.
        first: u8,
        /// Characters kept at the end.
        last: u8,
    },
    /// Digits become other digits and letters other letters, the same ones for the same value under the same rule.
    Fake,
    /// A keyed digest: the same for the same value under the same rule, and nothing else to be seen.
    Hash,
    /// A fixed text.
    Redact,
    /// No value at all.
    Null,
}

impl MaskKind {
    /// The name in documents and the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Partial { .. } => "partial",
            Self::Fake => "fake",
            Self::Hash => "hash",
            Self::Redact => "redact",
            Self::Null => "null",
        }
    }

    /// How little it lets be seen: parts of the value; its shape and whether two are equal; whether two are equal; that
    /// there is one; nothing.
    const fn rank(self) -> u8 {
        match self {
            Self::Partial { .. } => 0,
            Self::Fake => 1,
            Self::Hash => 2,
            Self::Redact => 3,
            Self::Null => 4,
        }
    }

    /// Whether it lets less be seen than `other` does.
    pub(super) const fn outranks(self, other: Self) -> bool {
        self.rank() > other.rank()
    }

    /// What both let be seen: the stricter of the two. Of two partial ones only what both keep is kept.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Partial { first, last }, Self::Partial { first: one, last: two }) => {
                Self::Partial { first: first.min(one), last: last.min(two) }
            }
            (one, other) if other.outranks(one) => other,
            (one, _) => one,
        }
    }

    /// The kind for what has a shape that says too much.
    #[must_use]
    pub(super) const fn without_shape(self) -> Self {
        match self {
            Self::Partial { .. } | Self::Fake => Self::Redact,
            Self::Hash | Self::Redact | Self::Null => self,
        }
    }

    /// The kind for what is computed from a covered value. An expression can turn what would be hidden into what would be
    /// kept (`reverse`, `translate`), so nothing of the text and nothing of its shape stays. Nor does it stay comparable: an
    /// agent could compute the digests of what it knows, and look the others up among them.
    #[must_use]
    pub const fn of_computed(self) -> Self {
        match self {
            Self::Partial { .. } | Self::Fake | Self::Hash => Self::Redact,
            Self::Redact | Self::Null => self,
        }
    }
}
