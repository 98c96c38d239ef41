//! Whose an Ingress is: ours, another controller's, or nobody's yet.

use super::*;

const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

fn class(name: &str, controller: &str) -> Made {
    object(ObjectKind::IngressClass, name, json!({"spec": {"controller": controller}}))
}

fn ours() -> Made {
    class("weir", "weir.dev/ingress-controller")
}

fn theirs() -> Made {
    class("other", "example.com/other")
}

/// An Ingress of a class; empty: of none.
fn of_class(name: &str) -> Made {
    let class = if name.is_empty() { json!(null) } else { name.into() };
    ingress("shop", "a.example", "a").with("/spec/ingressClassName", class)
}

/// What becomes of an Ingress with these classes: `served`, `taken back`, or `left` as it is.
fn with_classes(ingress: &Made, classes: &[Made]) -> &'static str {
    let mut world = World::of(&[classes.to_vec(), vec![ingress.clone()]].concat());
    let served = !world.model().routes.is_empty();
    let report = world.report(ingress);
    match (served, report.foreign) {
        (true, false) => "served",
        (false, true) => "taken back",
        (false, false) => "left",
        (true, true) => panic!("{report:?}"),
    }
}

#[test]
fn an_ingress_of_a_class_of_ours_is_served() {
    assert_eq!(with_classes(&of_class("weir"), &[ours(), theirs()]), "served");
}

#[test]
fn an_ingress_whose_class_is_another_controllers_is_taken_back() {
    assert_eq!(with_classes(&of_class("other"), &[ours(), theirs()]), "taken back");
    let annotated = of_class("").annotation("kubernetes.io/ingress.class", "other");
    assert_eq!(with_classes(&annotated, &[ours(), theirs()]), "taken back");
}

#[test]
fn an_ingress_whose_class_is_not_there_is_left_as_it_is() {
    assert_eq!(with_classes(&of_class("weir"), &[theirs()]), "left");
    assert_eq!(with_classes(&of_class("other"), &[ours()]), "left");
    assert_eq!(with_classes(&of_class("weir"), &[]), "left");
    let broken = object(ObjectKind::IngressClass, "weir", json!({"spec": {"controller": 1}}));
    assert_eq!(with_classes(&of_class("weir"), &[broken]), "left");
}

#[test]
fn an_ingress_without_a_class_is_of_the_default_class() {
    assert_eq!(with_classes(&of_class(""), &[ours().annotation(DEFAULT, "true"), theirs()]), "served");
    assert_eq!(with_classes(&of_class(""), &[theirs().annotation(DEFAULT, "true")]), "taken back");
}

#[test]
fn an_ingress_without_a_class_is_nobodys_of_ours_while_a_class_of_ours_is_there_and_not_the_default() {
    assert_eq!(with_classes(&of_class(""), &[ours()]), "taken back");
    assert_eq!(with_classes(&of_class(""), &[ours().annotation(DEFAULT, "false"), theirs()]), "taken back");
}

#[test]
fn an_ingress_without_a_class_is_left_as_it_is_while_the_default_class_is_not_there() {
    assert_eq!(with_classes(&of_class(""), &[]), "left");
    assert_eq!(with_classes(&of_class(""), &[theirs()]), "left");
}
