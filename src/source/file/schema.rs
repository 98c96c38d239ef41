//! The JSON Schema of the file, and what it finds said in words.

mod structural;

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use self::structural::Breach;
use super::problem::{Pointer, Problems, quoted, suggestion};
use super::tree::Tree;
use super::wire;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with_transform(RecursiveTransform(without_null));
    settings.into_generator().into_root_schema_for::<wire::File>().to_value()
});

/// The JSON Schema of the configuration file.
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// An absent key says that something is absent; an empty value is a slip. So `Option` does not allow null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut options)) = schema.remove("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|t| t != "null"));
        for option in options {
            if let Value::Object(option) = option {
                option.into_iter().for_each(|(key, value)| {
                    schema.insert(key, value);
                });
            }
        }
    }
}

/// Checks the tree against the schema; every violation becomes an error.
pub fn check(tree: &Tree, problems: &mut Problems) {
    structural::check(&tree.value, schema(), &mut |at, rule, value, breach| {
        let violation = Violation { value, rule, tree, at: at.clone() };
        match breach {
            Breach::UnknownKey(key) => problems.error_on_key(&at.key(key), violation.unknown_key(key)),
            _ if violation.is_bare_zero() => {}
            breach => problems.error(at, violation.message(&breach)),
        }
    });
}

/// One violation, with the part of the schema that it violates.
struct Violation<'a> {
    at: Pointer,
    value: &'a Value,
    rule: &'a Value,
    tree: &'a Tree,
}

impl Violation<'_> {
    fn message(&self, breach: &Breach<'_>) -> String {
        match breach {
            Breach::UnknownKey(key) => self.unknown_key(key),
            Breach::Missing(key) => self.missing_key(key),
            // A value of the wrong type is not among those allowed either: one of the two helps.
            Breach::Type(_) if self.has_options() && !self.lacks_quotes() => self.not_among(),
            Breach::Type(wanted) => self.wrong_type(wanted),
            Breach::Options => self.not_among(),
            Breach::Pattern => self.no_such_text(),
            Breach::Range => self.out_of_range(),
            Breach::Keys => self.not_one_key(),
            Breach::Empty => "must not be empty".to_owned(),
        }
    }

    fn allowed_keys(&self) -> Vec<&str> {
        let properties = self.rule.get("properties").and_then(Value::as_object);
        properties.map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    fn unknown_key(&self, key: &str) -> String {
        let allowed = self.allowed_keys();
        let suggestion = suggestion(key, allowed.iter().copied());
        let separator = if suggestion.is_empty() { ";" } else { "" };
        format!("unknown key \"{key}\"{suggestion}{separator} allowed here: {}", allowed.join(", "))
    }

    fn missing_key(&self, key: &str) -> String {
        let meaning = self.rule.pointer(&format!("/properties/{key}/description")).and_then(Value::as_str);
        match meaning {
            Some(meaning) => format!("key \"{key}\" is missing ({})", summary(meaning)),
            None => format!("key \"{key}\" is missing"),
        }
    }

    fn not_one_key(&self) -> String {
        let here = self.value.as_object().map(|o| o.keys().map(String::as_str).collect::<Vec<_>>());
        match here {
            Some(here) if !here.is_empty() => format!(
                "{} cannot stand together: write exactly one of {}",
                here.join(" and "),
                self.allowed_keys().join(", ")
            ),
            _ => format!("is empty: write exactly one of {}", self.allowed_keys().join(", ")),
        }
    }

    fn not_among(&self) -> String {
        let options = self.rule.get("enum").and_then(Value::as_array);
        let options: Vec<String> = options.map(|o| o.iter().map(text_or_json).collect()).unwrap_or_default();
        let value = text_or_json(self.value);
        let shown = if self.value.is_string() { quoted([value.as_str()]) } else { value.clone() };
        let suggestion = suggestion(&value, options.iter().map(String::as_str));
        let separator = if suggestion.is_empty() { ";" } else { "" };
        format!("{shown} is not allowed{suggestion}{separator} allowed: {}", options.join(", "))
    }

    fn has_options(&self) -> bool {
        self.rule.get("enum").is_some()
    }

    /// Whether it would be allowed as text.
    fn lacks_quotes(&self) -> bool {
        let options = self.rule.get("enum").and_then(Value::as_array);
        !self.value.is_string() && options.is_some_and(|o| o.contains(&Value::from(self.written())))
    }

    fn out_of_range(&self) -> String {
        let bound = |key: &str| self.rule.get(key).map(Value::to_string).unwrap_or_default();
        let (low, high) = (bound("minimum"), bound("maximum"));
        let range = if high.is_empty() { format!("{low} or more") } else { format!("{low} to {high}") };
        format!("{} is out of range: write {range}", self.written())
    }

    fn title(&self) -> Option<&str> {
        self.rule.get("title").and_then(Value::as_str)
    }

    fn examples(&self) -> Vec<&str> {
        let examples = self.rule.get("examples").and_then(Value::as_array);
        examples.map(|e| e.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    fn no_such_text(&self) -> String {
        let (text, title) = (self.value.as_str().unwrap_or_default(), self.title().unwrap_or("value"));
        if title == "name" {
            return format!(
                "\"{text}\" is no name: use up to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit"
            );
        }
        let number = text.bytes().all(|b| b.is_ascii_digit());
        match self.unit() {
            Some(unit) if number && !text.is_empty() => format!("write the unit: {text}{unit}"),
            _ => format!("\"{text}\" is no {title}: write it like {}", self.examples().join(", ")),
        }
    }

    /// The unit of the first example.
    fn unit(&self) -> Option<&str> {
        let example = *self.examples().first()?;
        let unit = example.trim_start_matches(|c: char| c.is_ascii_digit());
        (unit.len() < example.len()).then_some(unit)
    }

    /// Zero is the same in every unit, so a duration may be 0 without one, which YAML reads as a number.
    fn is_bare_zero(&self) -> bool {
        self.value.as_i64() == Some(0) && self.title() == Some("duration")
    }

    fn written(&self) -> String {
        self.tree.text(&self.at).map_or_else(|| self.value.to_string(), str::to_owned)
    }

    fn wrong_type(&self, wanted: &str) -> String {
        if self.value.is_null() {
            return format!("is empty: write {} or remove the key", type_name(wanted));
        }
        let scalar = !self.value.is_object() && !self.value.is_array();
        if wanted == "string" && scalar {
            return match self.unit() {
                Some(unit) if self.value.is_number() => format!("write the unit: {}{unit}", self.written()),
                _ => format!("must be text: put it in quotes, \"{}\"", self.written()),
            };
        }
        match (wanted, self.value) {
            ("array", value) if scalar => format!("must be a list: write [{}]", text_or_json(value)),
            ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok() => {
                format!("must be {}: write it without quotes, {text}", type_name(wanted))
            }
            ("integer", Value::Number(_)) => format!("must be a whole number, not {}", self.written()),
            _ => format!("must be {}, not {}", type_name(wanted), type_of(self.value)),
        }
    }
}

fn text_or_json(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn type_name(json: &str) -> &str {
    match json {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping (key: value)",
        other => other,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The first sentence of a description, to go on within another one.
fn summary(text: &str) -> String {
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    let line = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chars = line.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests;
