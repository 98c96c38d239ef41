use super::*;
use crate::source::kubernetes::object::ObjectKind;

fn shop(name: &str) -> Id {
    Id::new(ObjectKind::Ingress, "default", name)
}

fn note(message: &str) -> Note {
    Note { warning: true, reason: "AnnotationRefused", message: message.to_owned() }
}

#[test]
fn the_same_note_on_the_same_object_has_one_name() {
    assert_eq!(name(&shop("a"), "uid", &note("x")), name(&shop("a"), "uid", &note("x")));
}

#[test]
fn another_object_or_note_has_another_name() {
    let known = name(&shop("a"), "uid", &note("x"));
    assert_ne!(known, name(&shop("a"), "another uid", &note("x")));
    assert_ne!(known, name(&shop("a"), "uid", &note("y")));
    assert_ne!(known, name(&shop("a"), "uid", &Note { reason: "Shadowed", ..note("x") }));
}

#[test]
fn a_long_name_is_cut_to_one_that_is_valid() {
    let long = format!("{}-.{}", "a".repeat(198), "b".repeat(50));
    let name = name(&shop(&long), "uid", &note("x"));
    let (readable, hash) = name.rsplit_once('.').unwrap();
    assert_eq!((readable, hash.len()), (&*"a".repeat(198), 16));
}
