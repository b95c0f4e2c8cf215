use rstest::rstest;

use super::*;

fn one(source: &str) -> Node {
    let mut documents = read(source).expect("valid YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn errors(source: &str) -> Vec<YamlError> {
    read(source).expect_err("invalid YAML")
}

/// `line:column message (help)` of the only error.
fn error(source: &str) -> String {
    let errors = errors(source);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let YamlError { position: Position { line, column }, message, help } = &errors[0];
    match help {
        Some(help) => format!("{line}:{column} {message} ({help})"),
        None => format!("{line}:{column} {message}"),
    }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn every_node_knows_its_line_and_column() {
    let node = one("a: 1\nbé: {c: 'x'}\n");
    let c = node.get("bé").and_then(|b| b.get("c")).expect("c");
    assert_eq!(c.position, Position { line: 2, column: 9 });
    assert_eq!(c.value, string("x"));
    assert!(!c.plain);
    assert!(node.get("a").expect("a").plain);
    assert_eq!(node.get("z"), None);
    assert_eq!(c.get("z"), None);
}

#[rstest]
#[case::byte_order_mark("\u{feff}a: b")]
#[case::windows("# c\r\na: b\r\n")]
#[case::old_mac("# c\ra: b\r")]
#[case::empty_documents("---\n---\n# nothing\n---\na: b\n---\n~\n...\n")]
#[case::json("{\"a\": \"b\"}")]
#[case::tagged("a: !!str b")]
fn one_document_in_many_dresses(#[case] source: &str) {
    assert_eq!(one(source).get("a").expect("a").value, string("b"));
}

#[test]
fn places_are_right_behind_every_kind_of_line_break() {
    for source in ["é: 1\r\nb: *x", "é: 1\rb: *x", "\u{feff}é: 1\nb: *x"] {
        assert_eq!(errors(source)[0].position, Position { line: 2, column: 4 }, "{source:?}");
    }
    assert_eq!(errors("\u{feff}*x")[0].position, Position { line: 1, column: 1 });
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let error = text(b"a: 1\nb: \xc3\xa9\xff").expect_err("no UTF-8");
    assert_eq!(error.position, Position { line: 2, column: 5 });
    assert_eq!(text("a: é".as_bytes()), Ok("a: é"));
    assert_eq!(text(b"\xff").expect_err("no UTF-8").position, Position { line: 1, column: 1 });
}

#[test]
fn line_breaks_that_nobody_sees_are_refused() {
    for (source, help) in [("a: b\u{2028}", "`\\u2028`"), ("é\u{85}", "`\\x85`"), ("'\n\u{2029}'", "`\\u2029`")] {
        let error = error(source);
        assert!(error.contains("invisible") && error.contains(help), "{error}");
    }
    assert_eq!(one("a: \"\\u2028\\x85\"").get("a").expect("a").value, string("\u{2028}\u{85}"));
}

#[test]
fn keys_are_text() {
    let Value::Mapping(entries) = one("1: a\nyes: b\n1.5: c\n~a: d\n'2': e\n!!str 3: f\n? g\n").value else {
        unreachable!("a mapping")
    };
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["1", "true", "1.5", "~a", "2", "3", "g"]);
    assert_eq!(entries[6].value.value, Value::Null);
}

#[rstest]
#[case("~: a", "1:1 null cannot be a key")]
#[case("a: {[b]: c}", "1:5 a list or a mapping cannot be a key")]
#[case("&a ~ : b", "1:4 null cannot be a key")]
#[case("9223372036854775808: a", "1:1 the number 9223372036854775808 is too large for a key")]
#[case("!!int x: a", "1:7 `x` is no integer, which its tag says it is")]
fn what_can_be_no_key_is_told(#[case] source: &str, #[case] told: &str) {
    assert_eq!(error(source), told);
}

#[rstest]
#[case("a: 1\nb: 2\n\"a\": 3\n", "3:1 the key `a` is given twice; the first is in line 1 (remove one of them)")]
#[case("{1: a, 0x1: b}", "1:8 the key `1` is given twice; the first is in line 1 (remove one of them)")]
#[case("yes: 1\nON: 2", "2:1 the key `true` is given twice; the first is in line 1 (remove one of them)")]
fn a_key_given_twice_is_an_error_with_both_lines(#[case] source: &str, #[case] told: &str) {
    assert_eq!(error(source), told);
}

#[test]
fn mistakes_beside_syntax_are_told_all_at_once() {
    let errors = errors("a: .inf\nb: {c: 1, c: 2}\n~: x\nd: !!bool 5\n---\ne: .nan\n");
    assert_eq!(errors.iter().map(|error| error.position.line).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
}

#[test]
fn merges_follow_the_order_of_kubectl() {
    let node = one(
        "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nearly: {<<: *x, a: 9}\nlate: {a: 9, <<: *x}\nall: {<<: [*x, *y]}\n",
    );
    let get = |of: &str, key: &str| node.get(of).and_then(|of| of.get(key)).map(|node| node.value.clone());
    assert_eq!(get("early", "a"), Some(Value::Int(9)));
    assert_eq!(get("late", "a"), Some(Value::Int(1)));
    assert_eq!(get("all", "b"), Some(Value::Int(1)));
    assert_eq!(get("all", "c"), Some(Value::Int(2)));
}

#[test]
fn a_quoted_merge_key_is_a_key() {
    let node = one("x: &x {a: 1}\n'<<': *x\n");
    assert!(node.get("<<").is_some());
    assert!(node.get("a").is_none());
}

#[test]
fn what_an_alias_repeats_keeps_where_it_was_written() {
    let node = one("a: &a\n  b: 1\nc: *a\nd: &a x\ne: *a\n");
    let repeated = node.get("c").and_then(|c| c.get("b")).expect("b");
    assert_eq!(repeated.position, Position { line: 2, column: 6 });
    assert_eq!(node.get("e").expect("e").value, string("x"), "the last anchor of a name counts");
}

#[test]
fn anchors_end_with_their_document() {
    assert_eq!(
        error("a: &a 1\n---\nb: *a\n"),
        "3:4 no anchor of this name comes before this alias (a text that begins with `*` needs quotes)"
    );
}

#[rstest]
#[case::block_too_far_right(
    "spec:\n    backoffLimit: 1  # <= here\n  template:\n    a: b\n",
    "3:3 this line is indented by 2 spaces, but its block begins in line 2 with 4 \
     (write line 2 as `  backoffLimit: 1`, with 2 spaces)"
)]
#[case::value_with_more_below(
    "spec:\n  ttl: 60\n   backoffLimit: 1\n",
    "3:4 this line is indented by 3 spaces, deeper than line 2, which has a value already (write it with 2 spaces)"
)]
#[case::tab("a:\n\tb: c\n", "2:1 a tab cannot indent in YAML (write spaces)")]
#[case::colon("a: b: c\n", "1:5 a second `:` follows in this line (a text with `: ` in it needs quotes)")]
#[case::at("a: @b\n", "1:4 unexpected character: `@' (a text that begins with it needs quotes)")]
#[case::quote("a: 'b\nc: d\n", "1:4 unclosed quote")]
#[case::after_item("- a\n b: c\n", "2:3 mapping values are not allowed in this context")]
fn mistakes_in_syntax_are_told_with_their_cure(#[case] source: &str, #[case] told: &str) {
    assert_eq!(error(source), told);
}

#[test]
fn an_error_is_a_problem_of_a_file() {
    let problem = errors("a: *b").remove(0).into_problem("x.yaml");
    assert_eq!(
        problem.to_string(),
        "x.yaml:1:4: no anchor of this name comes before this alias (a text that begins with `*` needs quotes)"
    );
}
