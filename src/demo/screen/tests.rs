use super::*;

#[test]
fn a_line_is_cut_at_the_width_in_characters() {
    let line = vec![span(Tint::Strong, "stable "), span(Tint::Stable, "████··"), span(Tint::Plain, " 95%")];
    let text = |line: &Line| line.iter().map(|span| span.text.as_str()).collect::<String>();
    assert_eq!(text(&fit(&line, 9)), "stable ██");
    assert_eq!(text(&fit(&line, 80)), "stable ████·· 95%");
    assert_eq!(text(&fit(&line, 0)), "");
}

#[test]
fn no_color_means_no_color() {
    let written = |color| {
        let mut bytes = Vec::new();
        let screen = Screen { terminal: true, color, drawn: 0, hidden: false };
        screen.line(&mut bytes, &vec![span(Tint::Bad, "failed")]).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert!(!written(false).contains("\x1b[3"), "{:?}", written(false));
    assert!(written(false).contains("failed"));
}
