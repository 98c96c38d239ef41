//! JSON that is read without being understood: it goes from the server's text to a text of our own, with no tree of values in
//! between, which takes many times as much memory in hundreds of pieces.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde::ser::Serialize;

/// A value, as compact JSON; empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Whether there is none, or it is `null`.
    pub fn is_null(&self) -> bool {
        self.0.is_empty() || self.0 == "null"
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An object of which this is the only field.
    pub fn under(&self, key: &str) -> Self {
        Self(format!("{{\"{key}\":{}}}", if self.is_null() { "null" } else { &self.0 }))
    }

    /// What it says; the default where it says nothing.
    ///
    /// # Errors
    ///
    /// Says what of it does not fit.
    pub fn parsed<T: DeserializeOwned + Default>(&self) -> serde_json::Result<T> {
        if self.is_null() { Ok(T::default()) } else { serde_json::from_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Vec::new();
        Copy(&mut json).deserialize(deserializer)?;
        String::from_utf8(json).map(Self).map_err(D::Error::custom)
    }
}

/// Writes down what it is told.
struct Copy<'a>(&'a mut Vec<u8>);

impl Copy<'_> {
    fn scalar<E: serde::de::Error>(self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(json) = self;
        json.push(b'[');
        while items.next_element_seed(Copy(json))?.is_some() {
            json.push(b',');
        }
        close(json, b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self(json) = self;
        json.push(b'{');
        while fields.next_key_seed(Copy(json))?.is_some() {
            json.push(b':');
            fields.next_value_seed(Copy(json))?;
            json.push(b',');
        }
        close(json, b'}');
        Ok(())
    }
}

/// Ends a list in place of the comma after its last item.
fn close(json: &mut Vec<u8>, end: u8) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.push(end);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn copied(json: &str) -> String {
        serde_json::from_str::<Text>(json).unwrap().as_str().to_owned()
    }

    #[test]
    fn it_says_what_was_told() {
        let all =
            r#"{"a":[1,-2,0.5,1e300,18446744073709551615],"b":{"c":null,"d":true},"e":[],"f":{},"g":[[],{}],"":"x"}"#;
        let told: Value = serde_json::from_str(&copied(all)).unwrap();
        assert_eq!(told, serde_json::from_str::<Value>(all).unwrap());
    }

    #[test]
    fn what_needs_it_is_escaped() {
        let all = json!({"a\"b\n": "\u{1}\u{1f}\\\"\u{7f}ü\u{2028},"});
        assert_eq!(copied(&all.to_string()), all.to_string());
        assert!(copied(&all.to_string()).bytes().all(|byte| byte >= b' '), "no control character stands for itself");
    }

    #[test]
    fn space_goes_and_the_order_stays() {
        assert_eq!(copied("{ \"b\" : [ 1 , 2 ] ,\n \"a\" : 3 }"), r#"{"b":[1,2],"a":3}"#);
    }

    #[test]
    fn it_is_read_from_values_too() {
        let value = json!({"spec": {"n": [1, "x", null]}});
        assert_eq!(serde_json::from_value::<Text>(value.clone()).unwrap().as_str(), value.to_string());
    }

    #[test]
    fn nothing_and_null_say_nothing() {
        assert!(Text::default().is_null());
        assert!(serde_json::from_str::<Text>("null").unwrap().is_null());
        assert!(Text::default().parsed::<Vec<u8>>().unwrap().is_empty());
        assert!(serde_json::from_str::<Text>("7").unwrap().parsed::<Vec<u8>>().is_err());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(serde_json::from_str::<Text>(r#"{"a":}"#).is_err());
    }
}
