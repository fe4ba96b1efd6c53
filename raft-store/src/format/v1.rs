//! Version 1 of the stored forms. The order of fields and variants in this folder is the form: it never changes; what is
//! new goes to the end of an enum, or into a new version. The frozen-bytes tests hold this fast.

mod commands;
mod parts;
mod records;
mod replies;
#[cfg(test)]
mod tests;

use super::{FormatError, Stored, VERSION};
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeTupleVariant};
use std::collections::{BTreeMap, BTreeSet};

/// A stored form that stands for no value.
#[derive(Debug)]
pub(crate) struct Bad(&'static str);

/// A value with a serialisable twin. Values themselves know nothing of serde.
pub(crate) trait Form: Sized {
    /// The twin.
    type Dto: Serialize + DeserializeOwned;

    /// The twin of this value.
    fn dto(&self) -> Self::Dto;

    /// Writes what the twin would, without making one.
    fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.dto().serialize(to)
    }

    /// The value of a twin.
    fn of(dto: Self::Dto) -> Result<Self, Bad>;
}

/// A value that is written as its twin would be.
pub(crate) struct Put<'a, T>(pub(crate) &'a T);

impl<T: Form> Serialize for Put<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.put(to)
    }
}

/// Writes a field of a variant.
fn put_field<S: SerializeTupleVariant>(mut to: S, field: &impl Form) -> Result<S, S::Error> {
    to.serialize_field(&Put(field)).map(|()| to)
}

/// The place of a variant among the names of all.
const fn place_of(name: &str, names: &[&str]) -> u32 {
    let (mut place, mut at) = (0, names);
    while let [first, rest @ ..] = at {
        if same(first.as_bytes(), name.as_bytes()) {
            return place;
        }
        (place, at) = (place + 1, rest);
    }
    place
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let (mut one, mut other) = (one, other);
    while let ([first, one_rest @ ..], [second, other_rest @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// An enum that knows its variants, so that a test can say which of them has no sample.
#[cfg(test)]
pub(crate) trait Variants {
    /// Their names, in the order of the form.
    const NAMES: &'static [&'static str];
}

fn write<T: Form>(what: &'static str, value: &T) -> Result<Vec<u8>, FormatError> {
    postcard::to_extend(&Put(value), vec![VERSION])
        .map_err(|error| FormatError::Unwritable { what, detail: error.to_string() })
}

fn read<T: Form>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    let unreadable = |detail: String| FormatError::Unreadable { what, detail };
    let (version, body) = bytes.split_first().ok_or_else(|| unreadable("empty".to_owned()))?;
    if *version != VERSION {
        return Err(FormatError::UnknownVersion { what, version: *version });
    }
    let (dto, rest) =
        postcard::take_from_bytes(body).map_err(|error| unreadable(error.to_string()))?;
    if !rest.is_empty() {
        return Err(unreadable("something follows it".to_owned()));
    }
    T::of(dto).map_err(|Bad(detail)| unreadable(detail.to_owned()))
}

/// Gives a value with a form its stored bytes.
macro_rules! stored {
    ($($value:ty = $what:literal),+ $(,)?) => { $(
        impl Stored for $value {
            const WHAT: &'static str = $what;

            fn encode(&self) -> Result<Vec<u8>, FormatError> {
                write(Self::WHAT, self)
            }

            fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
                read(Self::WHAT, bytes)
            }
        }
    )+ };
}

/// Values that are their own twin.
macro_rules! plain {
    ($($value:ty),+ $(,)?) => { $(
        impl Form for $value {
            type Dto = Self;

            fn dto(&self) -> Self {
                self.clone()
            }

            fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.serialize(to)
            }

            fn of(dto: Self) -> Result<Self, Bad> {
                Ok(dto)
            }
        }
    )+ };
}

/// A struct and its twin with the same fields in this order.
macro_rules! form_struct {
    ($dto:ident for $value:ty { $($field:ident: $kind:ty),+ $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(crate) struct $dto { $($field: <$kind as $crate::format::v1::Form>::Dto),+ }

        impl $crate::format::v1::Form for $value {
            type Dto = $dto;

            fn dto(&self) -> $dto {
                $dto { $($field: $crate::format::v1::Form::dto(&self.$field)),+ }
            }

            fn put<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let fields = [$(stringify!($field)),+].len();
                let mut to = serde::Serializer::serialize_struct(to, stringify!($dto), fields)?;
                $(serde::ser::SerializeStruct::serialize_field(
                    &mut to,
                    stringify!($field),
                    &$crate::format::v1::Put(&self.$field),
                )?;)+
                serde::ser::SerializeStruct::end(to)
            }

            fn of(dto: $dto) -> Result<Self, $crate::format::v1::Bad> {
                Ok(Self { $($field: $crate::format::v1::Form::of(dto.$field)?),+ })
            }
        }
    };
}

/// An enum and its twin with the same variants in this order.
macro_rules! form_enum {
    ($dto:ident for $value:ty { $(
        $variant:ident $(( $($place:ident: $inner:ty),+ ))? $({ $($field:ident: $kind:ty),+ $(,)? })?
    ),+ $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(crate) enum $dto { $(
            $variant
            $(( $(<$inner as $crate::format::v1::Form>::Dto),+ ))?
            $({ $($field: <$kind as $crate::format::v1::Form>::Dto),+ })?
        ),+ }

        #[cfg(test)]
        impl $crate::format::v1::Variants for $value {
            const NAMES: &'static [&'static str] = &[$(stringify!($variant)),+];
        }

        impl $crate::format::v1::Form for $value {
            type Dto = $dto;

            fn dto(&self) -> $dto {
                match self { $(
                    Self::$variant $(( $($place),+ ))? $({ $($field),+ })? => $dto::$variant
                        $(( $($crate::format::v1::Form::dto($place)),+ ))?
                        $({ $($field: $crate::format::v1::Form::dto($field)),+ })?
                ),+ }
            }

            /// A variant is its place and then its fields, however they are named.
            fn put<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                const NAMES: &[&str] = &[$(stringify!($variant)),+];
                match self { $(
                    Self::$variant $(( $($place),+ ))? $({ $($field),+ })? => {
                        const PLACE: u32 =
                            $crate::format::v1::place_of(stringify!($variant), NAMES);
                        const FIELDS: &[&str] =
                            &[$($(stringify!($place)),+)? $($(stringify!($field)),+)?];
                        let to = serde::Serializer::serialize_tuple_variant(
                            to, stringify!($dto), PLACE, stringify!($variant), FIELDS.len(),
                        )?;
                        $($(let to = $crate::format::v1::put_field(to, $place)?;)+)?
                        $($(let to = $crate::format::v1::put_field(to, $field)?;)+)?
                        serde::ser::SerializeTupleVariant::end(to)
                    }
                ),+ }
            }

            fn of(dto: $dto) -> Result<Self, $crate::format::v1::Bad> {
                Ok(match dto { $(
                    $dto::$variant $(( $($place),+ ))? $({ $($field),+ })? => Self::$variant
                        $(( $($crate::format::v1::Form::of($place)?),+ ))?
                        $({ $($field: $crate::format::v1::Form::of($field)?),+ })?
                ),+ })
            }
        }
    };
}

use {form_enum, form_struct, stored};

plain!(u16, u32, u64, String, Vec<u8>, [u8; 16], [u8; 32], BTreeMap<String, String>, (String, String));

impl<T: Form> Form for Option<T> {
    type Dto = Option<T::Dto>;

    fn dto(&self) -> Self::Dto {
        self.as_ref().map(Form::dto)
    }

    fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => to.serialize_some(&Put(value)),
            None => to.serialize_none(),
        }
    }

    fn of(dto: Self::Dto) -> Result<Self, Bad> {
        dto.map(T::of).transpose()
    }
}

impl<T: Form> Form for Box<T> {
    type Dto = T::Dto;

    fn dto(&self) -> Self::Dto {
        self.as_ref().dto()
    }

    fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_ref().put(to)
    }

    fn of(dto: Self::Dto) -> Result<Self, Bad> {
        T::of(dto).map(Self::new)
    }
}

impl<T: Form + Ord> Form for BTreeSet<T> {
    type Dto = Vec<T::Dto>;

    fn dto(&self) -> Self::Dto {
        self.iter().map(Form::dto).collect()
    }

    fn put<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(Put))
    }

    fn of(dto: Self::Dto) -> Result<Self, Bad> {
        dto.into_iter().map(T::of).collect()
    }
}

impl<T: Form, E: Form> Form for Result<T, E> {
    type Dto = Result<T::Dto, E::Dto>;

    fn dto(&self) -> Self::Dto {
        self.as_ref().map(Form::dto).map_err(Form::dto)
    }

    fn of(dto: Self::Dto) -> Result<Self, Bad> {
        Ok(match dto {
            Ok(value) => Ok(T::of(value)?),
            Err(error) => Err(E::of(error)?),
        })
    }
}

/// A list of values. Not a blanket `Vec<T>`, because bytes are a list of their own.
macro_rules! list {
    ($($value:ty),+ $(,)?) => { $(
        impl $crate::format::v1::Form for Vec<$value> {
            type Dto = Vec<<$value as $crate::format::v1::Form>::Dto>;

            fn dto(&self) -> Self::Dto {
                self.iter().map($crate::format::v1::Form::dto).collect()
            }

            fn put<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_seq(self.iter().map($crate::format::v1::Put))
            }

            fn of(dto: Self::Dto) -> Result<Self, $crate::format::v1::Bad> {
                dto.into_iter().map($crate::format::v1::Form::of).collect()
            }
        }
    )+ };
}

use list;
