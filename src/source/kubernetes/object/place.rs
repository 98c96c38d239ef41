//! Where an object cannot be understood.

use serde_json::Value;

/// The deepest field without which `value` would fit, as a path below `root`; `root` itself where no single field is to blame.
pub fn place(root: &str, value: &Value, fits: impl Fn(&Value) -> bool) -> String {
    let (mut pointer, mut path) = (String::new(), root.to_owned());
    while let Some((token, name)) = value.pointer(&pointer).and_then(|node| culprit(value, &pointer, node, &fits)) {
        pointer = format!("{pointer}/{token}");
        path += &name;
    }
    path
}

/// The child without which the whole fits: its token in a pointer, and its name in a path.
fn culprit(whole: &Value, pointer: &str, node: &Value, fits: &impl Fn(&Value) -> bool) -> Option<(String, String)> {
    let without = |take: &dyn Fn(&mut Value)| {
        let mut rest = whole.clone();
        rest.pointer_mut(pointer).into_iter().for_each(take);
        fits(&rest)
    };
    match node {
        Value::Object(map) => {
            let key = map.keys().find(|key| without(&|node| _ = node.as_object_mut().map(|map| map.remove(*key))))?;
            Some((key.replace('~', "~0").replace('/', "~1"), format!(".{key}")))
        }
        Value::Array(items) => {
            let index =
                (0..items.len()).find(|i| without(&|node| _ = node.as_array_mut().map(|items| items.remove(*i))))?;
            Some((index.to_string(), format!("[{index}]")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
