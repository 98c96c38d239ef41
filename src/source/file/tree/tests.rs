use serde_json::json;

use super::*;

fn tree(text: &str) -> Tree {
    Tree::parse(text).unwrap()
}

fn place(tree: &Tree, pointer: &str) -> (usize, usize) {
    let place = tree.place(&Pointer::from(pointer), false);
    (place.line, place.column)
}

fn key(tree: &Tree, pointer: &str) -> (usize, usize) {
    let place = tree.place(&Pointer::from(pointer), true);
    (place.line, place.column)
}

fn error(text: &str) -> String {
    let errors = Tree::parse(text).unwrap_err();
    errors.iter().map(|e| format!("{}:{}: {}\n", e.place.line, e.place.column, e.message)).collect()
}

#[test]
fn scalars_follow_the_core_schema() {
    let text = "[1, -2, 0x1f, 0o17, 1.5, 5.0, 1e3, true, False, null, ~, yes, off, \"1\", '1', 1.2.3, .inf, inf, 10s]";
    assert_eq!(
        tree(text).value,
        json!([
            1, -2, 31, 15, 1.5, 5, 1000, true, false, null, null, "yes", "off", "1", "1", "1.2.3", ".inf", "inf", "10s"
        ])
    );
    assert_eq!(tree("a: !!str 1\nb:\n").value, json!({"a": "1", "b": null}));
}

#[test]
fn every_value_and_key_has_its_place() {
    let text = "a: 1\nb:\n  - c: [x, {d: \"y\"}]\n  -   e:\n        f: |\n          text\n'g/h~': z\n";
    let tree = tree(text);
    assert_eq!(place(&tree, ""), (1, 1));
    assert_eq!((key(&tree, "/a"), place(&tree, "/a")), ((1, 1), (1, 4)));
    assert_eq!((key(&tree, "/b"), place(&tree, "/b")), ((2, 1), (3, 3)));
    assert_eq!(place(&tree, "/b/0"), (3, 5));
    assert_eq!(place(&tree, "/b/0/c"), (3, 8));
    assert_eq!(place(&tree, "/b/0/c/0"), (3, 9));
    assert_eq!((key(&tree, "/b/0/c/1/d"), place(&tree, "/b/0/c/1/d")), ((3, 13), (3, 16)));
    assert_eq!(place(&tree, "/b/1"), (4, 7));
    assert_eq!(key(&tree, "/b/1/e/f"), (5, 9));
    assert_eq!(place(&tree, "/g~1h~0"), (7, 9));
}

#[test]
fn columns_count_characters() {
    assert_eq!(place(&tree("{ä: 1, ö: x}"), "/ö"), (1, 11));
}

#[test]
fn what_is_not_written_is_where_it_would_be() {
    assert_eq!(place(&tree("a:\n  b: 1\n"), "/a/missing/deep"), (2, 3));
}

#[test]
fn json_is_yaml() {
    let tree = tree("{\n\t\"a\": [1,2.5,\"\\u00e4\"],\r\n\t\"b\": {\"c\": null}}\n");
    assert_eq!(tree.value, json!({"a": [1, 2.5, "ä"], "b": {"c": null}}));
    assert_eq!(place(&tree, "/b/c"), (3, 13));
}

#[test]
fn aliases_repeat_what_they_name() {
    let tree = tree("a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n");
    assert_eq!(tree.value, json!({"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}]}));
    assert_eq!(place(&tree, "/c"), (2, 4));
    assert_eq!(place(&tree, "/c/b/1"), (1, 15));
}

#[test]
fn every_duplicate_key_is_told() {
    assert_eq!(
        error("a: 1\nb: {c: 1, c: 2}\na: 3\n"),
        "2:11: key \"c\" is here twice: keep one; the first is at 2:5\n3:1: key \"a\" is here twice: keep one; the first is at 1:1\n"
    );
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let items = vec![format!("*a{}", i - 1); 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{items}]\n"));
    }
    assert!(error(&text).contains("more than 1000000 values"));
}

#[test]
fn nesting_is_bounded() {
    let text = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(!error(&text).is_empty());
    assert_eq!(error(&("[".repeat(70) + &"]".repeat(70))), "1:66: nested too deep: at most 64 levels\n");
}

#[test]
fn an_alias_inside_its_anchor_is_refused() {
    assert_eq!(error("a: &x [*x]\n"), "1:8: an alias cannot stand inside what it names\n");
}

#[test]
fn tags_and_complex_keys_are_refused() {
    assert_eq!(error("a: !x 1\n"), "1:4: tag !x has no meaning here: remove it\n");
    assert_eq!(error("{[a]: 1}\n"), "1:2: a key must be plain text\n");
}

#[test]
fn documents_are_read_one_after_the_other() {
    let values = Tree::documents("a: 1\n---\n---\n# nothing\n---\n{\"b\": [2]}\n").unwrap();
    assert_eq!(values, [serde_json::json!({"a": 1}), serde_json::json!({"b": [2]})]);
    assert_eq!(Tree::documents("").unwrap(), Vec::<serde_json::Value>::new());
    assert_eq!(Tree::documents("a: 1\na: 2\n").unwrap_err().len(), 1);
}
