//! What stands at an Ingress: an Event for each kind of finding.

use super::*;

#[test]
fn every_annotation_that_is_not_as_in_ingress_nginx_is_told_in_one_event_of_its_kind() {
    let names = [
        ("proxy-buffering", "on"),
        ("satisfy", "any"),
        ("affinity-mode", "balanced"),
        ("limit-rps", "5"),
        ("mirror-target", "https://x"),
        ("canary-total", "5"),
    ];
    let main =
        names.iter().fold(ingress("main", "shop.example.com", "a"), |made, (name, value)| with(made, name, value));
    let main = with(main, "affinity", "cookie");
    let mut world = world(std::slice::from_ref(&main));
    let notes = world.report(&main).notes;
    let kinds: Vec<_> = notes.iter().map(|note| (note.reason, note.warning)).collect();
    assert_eq!(kinds, [("AnnotationRefused", true), ("AnnotationChanged", true), ("AnnotationDiffers", false)]);
    let told = told(&mut world, &main);
    assert!(names.iter().all(|(name, _)| told.contains(name)), "{told}");
}

#[test]
fn every_annotation_of_a_canary_without_effect_is_told_in_one_event() {
    let names = ["auth-url", "limit-rps", "proxy-body-size", "load-balance"];
    let canary = with(ingress("canary", "shop.example.com", "b"), "canary", "true").made_after(1);
    let canary = names.iter().fold(canary, |made, name| with(made, name, "round_robin"));
    let mut world = world(&[ingress("main", "shop.example.com", "a"), canary.clone()]);
    let notes = world.report(&canary).notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(!notes[0].warning && names.iter().all(|name| notes[0].message.contains(name)), "{notes:?}");
}
