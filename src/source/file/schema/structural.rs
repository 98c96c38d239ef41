//! Checks a value against a structural schema: the part of JSON Schema 2020-12 that the schema of the file uses.
//!
//! Every keyword means what the standard says, but that a whole number is written without a fraction. A test holds it
//! against a full implementation.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Map, Value};

use crate::source::file::problem::Pointer;

/// How a value breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach<'a> {
    /// A key that is none of `properties`.
    UnknownKey(&'a str),
    /// A key of `required` that is not there.
    Missing(&'a str),
    /// Not of this `type`.
    Type(&'a str),
    /// None of `enum`.
    Options,
    /// Not of the form of `pattern`.
    Pattern,
    /// Below `minimum` or above `maximum`.
    Range,
    /// Fewer keys than `minProperties`, or more than `maxProperties`.
    Keys,
    /// Fewer items than `minItems`.
    Empty,
}

/// Receives every breach: where, the rule, the value, how.
pub type See<'s, 'a> = dyn FnMut(&Pointer, &'a Value, &'a Value, Breach<'a>) + 's;

/// Tells `see` about every way in which `value` breaks `schema`.
pub fn check<'a>(value: &'a Value, schema: &'a Value, see: &mut See<'_, 'a>) {
    Checker { schema, see }.check(value, schema, &Pointer::root());
}

struct Checker<'c, 's, 'a> {
    schema: &'a Value,
    see: &'c mut See<'s, 'a>,
}

impl<'a> Checker<'_, '_, 'a> {
    fn check(&mut self, value: &'a Value, rule: &'a Value, at: &Pointer) {
        let rule = self.resolved(rule);
        if let Some(wanted) = rule.get("type").and_then(Value::as_str)
            && !is_of(value, wanted)
        {
            // Nothing else can be said about a value of another type.
            return (self.see)(at, rule, value, Breach::Type(wanted));
        }
        if rule.get("enum").and_then(Value::as_array).is_some_and(|options| !options.contains(value)) {
            (self.see)(at, rule, value, Breach::Options);
        }
        match value {
            Value::String(text) => {
                if rule.get("pattern").and_then(Value::as_str).is_some_and(|pattern| !fits(pattern, text)) {
                    (self.see)(at, rule, value, Breach::Pattern);
                }
            }
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let bound = |key| rule.get(key).and_then(Value::as_f64);
                if bound("minimum").is_some_and(|low| number < low)
                    || bound("maximum").is_some_and(|high| number > high)
                {
                    (self.see)(at, rule, value, Breach::Range);
                }
            }
            Value::Array(items) => self.items(value, items, rule, at),
            Value::Object(map) => self.keys(value, map, rule, at),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn items(&mut self, value: &'a Value, items: &'a [Value], rule: &'a Value, at: &Pointer) {
        if rule.get("minItems").and_then(Value::as_u64).is_some_and(|least| (items.len() as u64) < least) {
            (self.see)(at, rule, value, Breach::Empty);
        }
        if let Some(each) = rule.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.check(item, each, &at.index(index));
            }
        }
    }

    fn keys(&mut self, value: &'a Value, map: &'a Map<String, Value>, rule: &'a Value, at: &Pointer) {
        let count = map.len() as u64;
        let bound = |key| rule.get(key).and_then(Value::as_u64);
        if bound("minProperties").is_some_and(|least| count < least)
            || bound("maxProperties").is_some_and(|most| count > most)
        {
            (self.see)(at, rule, value, Breach::Keys);
        }
        for key in rule.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(key) {
                (self.see)(at, rule, value, Breach::Missing(key));
            }
        }
        for (key, item) in map {
            let property = rule.get("properties").and_then(|properties| properties.get(key));
            match property.or(rule.get("additionalProperties")) {
                Some(Value::Bool(false)) => (self.see)(at, rule, value, Breach::UnknownKey(key)),
                Some(each) => self.check(item, each, &at.key(key)),
                None => {}
            }
        }
    }

    /// What a `$ref` within the schema points to.
    fn resolved(&self, rule: &'a Value) -> &'a Value {
        let reference = rule.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(rule)
    }
}

fn is_of(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => value.is_null(),
    }
}

/// Whether a text fits a pattern; the few patterns of the schema are compiled once.
fn fits(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    known.as_ref().is_none_or(|regex| regex.is_match(text))
}
