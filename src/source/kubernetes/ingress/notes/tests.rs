use super::*;

fn finding(name: &str, severity: Severity, message: &str) -> Finding {
    Finding::new(name, severity, message)
}

#[test]
fn each_kind_of_finding_is_one_note_and_only_what_differs_is_no_warning() {
    let told = notes(&[
        finding("a", Severity::Info, "differs"),
        finding("b", Severity::Error, "not done"),
        finding("c", Severity::Info, "differs, too"),
        finding("d", Severity::Warning, "strange"),
    ]);
    let told: Vec<_> = told.iter().map(|note| (note.warning, note.reason, note.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (true, "AnnotationRefused", "b: not done"),
            (true, "AnnotationChanged", "d: strange"),
            (false, "AnnotationDiffers", "a: differs; c: differs, too"),
        ]
    );
}

#[test]
fn what_is_said_of_several_annotations_is_said_once() {
    let told = notes(&[
        finding("a", Severity::Info, "no effect"),
        finding("b", Severity::Info, "no effect"),
        finding("a", Severity::Info, "no effect"),
        finding("", Severity::Info, "of the object"),
    ]);
    assert_eq!(told[0].message, "a, b: no effect; of the object");
}

#[test]
fn what_does_not_fit_into_an_event_is_counted() {
    let findings: Vec<Finding> = (0..20)
        .map(|n| finding(&format!("name-{n}"), Severity::Error, &format!("{n} {}", "long ".repeat(20))))
        .collect();
    let [note] = &notes(&findings)[..] else { panic!("several notes") };
    assert!(note.message.len() < 1000, "{}", note.message.len());
    let told = note.message.matches("name-").count();
    assert!(note.message.ends_with(&format!("; and {} more, which weir audit tells", 20 - told)), "{}", note.message);
}

#[test]
fn nothing_found_is_nothing_told() {
    assert_eq!(notes(&[]), []);
}
