//! Log time on the wire: RFC 3339 in UTC, to the millisecond. Nothing here reads a clock.

use countersign_core::log_time::LogTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, schema::KnownFormat, schema::Type},
};

/// A moment, in milliseconds since the Unix epoch; written as `2026-11-22T20:09:27.123Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub u64);

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time as RFC 3339 writes it, such as 2026-11-22T20:09:27Z")]
pub struct TimestampError;

impl Timestamp {
    fn as_jiff(self) -> jiff::Timestamp {
        // A log time outside jiff's years (to 9999) is only made by a broken clock; it is shown as the last moment there is.
        i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX)
    }
}

impl From<LogTime> for Timestamp {
    fn from(time: LogTime) -> Self {
        Self(time.0)
    }
}

impl From<Timestamp> for LogTime {
    fn from(time: Timestamp) -> Self {
        Self(time.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.as_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        u64::try_from(time.as_millisecond()).map(Self).map_err(|_| TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_to_the_millisecond() {
        for ms in [0, 1, 1_795_378_167_123, 1_795_378_167_000] {
            let time = Timestamp(ms);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!(Timestamp(1_795_378_167_123).to_string(), "2026-11-22T20:09:27.123Z");
    }

    #[test]
    fn a_time_before_the_epoch_is_refused() {
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
