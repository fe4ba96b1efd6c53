//! Types by their numbers in `pg_type`, sorted by what the masker can make of their values. The numbers are PostgreSQL's
//! own and the same in every release; a type of a user's is [`Type::Other`].

/// What a value is to the masker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    /// Text of any length, or up to the modifier's.
    Text,
    /// Text that is filled up with blanks.
    Padded,
    /// Text of at most 63 bytes.
    Name,
    Xml,
    Json,
    Jsonb,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Date,
    Timestamp,
    TimestampTz,
    Uuid,
    Bytea,
    /// An array of text.
    TextArray,
    /// `inet` and `cidr`: their binary form is numbers.
    Address,
    /// Arrays of what only its text form shows, as long as it is not taken apart.
    Sealed,
    /// A number, a time, a figure: nothing in it is text.
    Scalar,
    /// Anything else: there may be text in it.
    Other,
}

impl Type {
    pub(crate) const fn of(oid: u32) -> Self {
        match oid {
            // text, varchar, unknown, cstring
            25 | 1043 | 705 | 2275 => Self::Text,
            1042 => Self::Padded,
            19 => Self::Name,
            142 => Self::Xml,
            114 => Self::Json,
            3802 => Self::Jsonb,
            21 => Self::Int2,
            23 => Self::Int4,
            20 => Self::Int8,
            700 => Self::Float4,
            701 => Self::Float8,
            1700 => Self::Numeric,
            1082 => Self::Date,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            2950 => Self::Uuid,
            17 => Self::Bytea,
            869 | 650 => Self::Address,
            // inet[], cidr[], uuid[]
            1041 | 651 | 2951 => Self::Sealed,
            // text[], varchar[], bpchar[], name[]
            1009 | 1015 | 1014 | 1003 => Self::TextArray,
            // bool, "char", oid, tid, xid, cid, xid8, pg_lsn, money, time, timetz, interval, bit, varbit, the figures
            16
            | 18
            | 26..=29
            | 5069
            | 3220
            | 790
            | 1083
            | 1266
            | 1186
            | 1560
            | 1562
            | 600..=604
            | 628
            | 718 => Self::Scalar,
            _ => Self::Other,
        }
    }
}
