//! Values that are written with their unit, and names.
//!
//! Each is text with a pattern in the schema; `title` and `examples` of the schema make the message when it
//! does not fit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use thiserror::Error;

/// Text that does not say a quantity.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("\"{text}\" is no {kind}")]
pub struct UnitError {
    text: String,
    kind: &'static str,
}

/// A time: `500ms`, `10s`, `5m`, `24h`, or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl TryFrom<&str> for Time {
    type Error = UnitError;

    fn try_from(text: &str) -> Result<Self, UnitError> {
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let error = || UnitError { text: text.to_owned(), kind: "duration" };
        let (number, unit) = split_unit(text);
        let number: u64 = number.parse().map_err(|_| error())?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(error)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, like 10s")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                Time::try_from(text).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Time, E> {
                Time::try_from(number.to_string().as_str()).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Time, E> {
                Time::try_from(number.to_string().as_str()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
}

/// A number of bytes: `512B`, `1KiB`, `1MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Cow<str>")]
pub struct Size(pub u64);

impl TryFrom<Cow<'_, str>> for Size {
    type Error = UnitError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, UnitError> {
        let error = || UnitError { text: text.to_string(), kind: "size" };
        let (number, unit) = split_unit(&text);
        let number: u64 = number.parse().map_err(|_| error())?;
        let factor: u64 = match unit {
            "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(error()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

/// A share: `2%`, `0.5%`; kept as a fraction of 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Cow<str>")]
pub struct Percent(pub f64);

impl TryFrom<Cow<'_, str>> for Percent {
    type Error = UnitError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, UnitError> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        number
            .map(|number| Self(number / 100.0))
            .ok_or_else(|| UnitError { text: text.to_string(), kind: "percentage" })
    }
}

/// A name of a listener, split or version: it appears in metrics, cookies, addresses and commands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Name(pub String);

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A schema of text with a pattern. Nine digits keep every product within 64 bits.
macro_rules! text_schema {
    ($type:ty, $name:literal, $pattern:literal, $examples:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "title": $name, "pattern": $pattern, "examples": $examples})
            }
        }
    };
}

text_schema!(Time, "duration", "^(0|[0-9]{1,9}(ms|s|m|h))$", ["10s", "500ms", "5m", "1h"]);
text_schema!(Size, "size", "^[0-9]{1,9}(B|kB|MB|GB|KiB|MiB|GiB)$", ["512B", "64KiB", "1MiB", "1GiB"]);
text_schema!(Percent, "percentage", "^[0-9]{1,9}(\\.[0-9]{1,9})?%$", ["2%", "0.5%"]);
text_schema!(Name, "name", "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$", ["shop", "canary-2"]);

#[cfg(test)]
mod tests;
