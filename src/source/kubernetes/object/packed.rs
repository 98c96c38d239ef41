//! The specs of thousands of objects, which are mostly the same words: each of these words is one byte.

use std::fmt;

use super::text::Text;

/// Stands for the word of its number. No control character stands for itself in JSON (RFC 8259 section 7).
const WORDS: [&str; 31] = [
    r#"{"group":"gateway.networking.k8s.io","kind":"Gateway","name":""#,
    r#"{"group":"","kind":"Service","name":""#,
    r#""matches":[{"path":{"type":"PathPrefix","value":"/"#,
    r#""requestHeaderModifier":{""#,
    r#""responseHeaderModifier":{""#,
    r#""set":[{"name":""#,
    r#""sessionPersistence":{""#,
    r#""type":"RequestHeaderModifier""#,
    r#""type":"ResponseHeaderModifier""#,
    r#""backend":{"service":{"name":""#,
    r#""ingressClassName":""#,
    r#""pathType":"ImplementationSpecific""#,
    r#""pathType":"Prefix""#,
    r#"","port":{"number":"#,
    r#""http":{"paths":["#,
    r#""parentRefs":["#,
    r#""hostnames":[""#,
    r#""backendRefs":["#,
    r#""filters":["#,
    r#""headers":["#,
    r#""rules":[{"#,
    r#""namespace":""#,
    r#""sectionName":""#,
    r#""type":"Exact","value":""#,
    r#""path":{"type":"PathPrefix","value":"/"#,
    r#""name":""#,
    r#""port":"#,
    r#""weight":"#,
    r#""timeouts":{"request":""#,
    r#""host":""#,
    r#""}}]"#,
];

/// A spec, JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Packs a text; one that says nothing is that of an object without fields.
    pub fn new(text: &Text) -> Self {
        Self::pack(if text.is_null() { "{}" } else { text.as_str() })
    }

    fn pack(mut rest: &str) -> Self {
        let mut packed = Vec::with_capacity(rest.len());
        while let Some(first) = rest.chars().next() {
            let word = WORDS.iter().zip(1..).find(|(word, _)| rest.starts_with(**word));
            match word {
                Some((word, number)) => {
                    packed.push(number);
                    rest = &rest[word.len()..];
                }
                None => {
                    let (own, after) = rest.split_at(first.len_utf8());
                    packed.extend_from_slice(own.as_bytes());
                    rest = after;
                }
            }
        }
        Self(packed.into())
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = Vec::with_capacity(self.0.len() * 4);
        for byte in &self.0 {
            match WORDS.get(usize::from(*byte).wrapping_sub(1)) {
                Some(word) => text.extend_from_slice(word.as_bytes()),
                None => text.push(*byte),
            }
        }
        // Words are put in whole characters' places only.
        String::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn packed(value: &Value) -> Packed {
        Packed::new(&serde_json::from_value(value.clone()).unwrap())
    }

    fn route() -> Value {
        json!({
            "hostnames": ["shop.example.com"],
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shop"}],
            "rules": [{
                "backendRefs": [{"group": "", "kind": "Service", "name": "shop", "port": 8080, "weight": 1}],
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            }],
        })
    }

    #[test]
    fn a_text_comes_back_as_it_was() {
        let odd = json!({"ü": "\u{1}\u{1f}\u{7f}", "name": "\"name\":\"", "port": [1, {"port": "\\"}], "": null});
        for value in [route(), odd, json!({}), json!([route(), route()])] {
            assert_eq!(packed(&value).text(), value.to_string());
        }
    }

    #[test]
    fn every_word_comes_back() {
        let all = WORDS.concat();
        assert_eq!(Packed::pack(&all).0.len(), WORDS.len());
        assert_eq!(Packed::pack(&all).text(), all);
        for word in WORDS {
            assert!(word.bytes().all(|byte| byte >= b' '), "{word}");
        }
    }

    #[test]
    fn no_word_hides_a_longer_one() {
        for (number, word) in WORDS.iter().enumerate() {
            assert!(!WORDS[..number].iter().any(|earlier| word.starts_with(earlier)), "{word}");
        }
    }

    #[test]
    fn a_route_takes_up_a_third() {
        let (text, packed) = (route().to_string(), packed(&route()));
        assert!(packed.0.len() * 3 < text.len(), "{} of {} bytes", packed.0.len(), text.len());
    }

    #[test]
    fn nothing_is_an_object_without_fields() {
        assert_eq!(Packed::new(&Text::default()).text(), "{}");
        assert_eq!(packed(&Value::Null).text(), "{}");
    }
}
