//! Where placeholders may stand, and what stands for them.

use rstest::rstest;
use serde_json::json;

use super::{compile, fillings, problems, render, run};
use crate::manifest::Hole;
use crate::problem::Position;
use crate::template::{RESERVED, RenderCode};

const HEAD: &str = "apiVersion: example.dev/v1\nkind: Example\nmetadata: {name: x}\n";

#[test]
fn every_reserved_name_has_its_value() {
    let lines: Vec<String> = RESERVED.iter().map(|name| format!("  {name}: '{{{{{name}}}}}'\n")).collect();
    let spec =
        render(&compile(&format!("{HEAD}spec:\n{}", lines.concat())), &[]).expect("an object").remove(0)["spec"].take();
    let of = |hole| fillings(1).of(hole).into_owned();
    assert_eq!(
        spec,
        json!({
            "RANDOM": of(Hole::Random),
            "MESSAGE": "aGVsbG8=",
            "PAYLOAD": "aGVsbG8=",
            "REQUEST_UUID": "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e",
            "FUNCTION_UID": of(Hole::FunctionUid),
            "RUN_ID": run(),
            "RUN_TOKEN": of(Hole::RunToken),
            "TOPIC": "météo",
            "REVISION": "main@sha1:132f4e7",
            "NAMESPACE": "functions",
            "GITFAAS_URL": "https://gitfaas.example:5001",
            "MESSAGE_URL": "https://gitfaas.example:5001/api/v1/requests/0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e/message",
            "TRACEPARENT": "",
        })
    );
}

#[test]
fn parameters_are_listed_with_where_they_are_used_first() {
    let template = compile(&format!(
        "{HEAD}spec:\n  é: {{{{b}}}}   # {{{{comment}}}}\n  {{{{a}}}}: '{{{{b}}}}{{{{MESSAGE}}}} \\{{{{c}}}}'\n"
    ));
    let parameters: Vec<_> = template.parameters().iter().map(|one| (one.name.as_str(), one.position)).collect();
    assert_eq!(parameters, [("a", Position { line: 6, column: 3 }), ("b", Position { line: 5, column: 6 })]);
}

#[test]
fn missing_parameters_are_named_together() {
    let template = compile(&format!("{HEAD}spec: ['{{{{b}}}}', '{{{{c}}}}', '{{{{a}}}}']\n"));
    let error = render(&template, &[("c", "")]).expect_err("missing");
    assert_eq!(error.code, RenderCode::MissingParameter);
    assert_eq!(error.to_string(), "audit/log.yaml:4:9: the parameters `a`, `b` are missing (publish with `?a=…&b=…`)");
    let error = render(&template, &[("a", ""), ("b", "")]).expect_err("missing");
    assert_eq!(error.problem.message, "the parameter `c` is missing");
}

#[rstest]
#[case::anchor("a: &{{x}} 1", "5:6: the name of an anchor can only have letters, digits, `-` and `_`")]
#[case::alias("a: &x 1\n  b: *{{x}}", "6:6: no anchor of this name")]
#[case::tag("a: !{{x}} 1", "5:6: while scanning a tag")]
#[case::tagged("a: !!int {{x}}", "5:12: `{{x}}` is no integer, which its tag says it is")]
#[case::header("a: |{{x}}\n    b", "5:6: while scanning a block scalar")]
#[case::merge("<<: {{x}}", "5:3: `<<` takes a mapping, or a list of mappings")]
#[case::second_value("a: {{x}}: b", "5:11: a second `:` follows in this line")]
#[case::keys("{{x}}: 1\n  {{x}}: 2", "6:3: the key `{{x}}` is given twice")]
fn a_placeholder_where_none_can_be_is_told(#[case] spec: &str, #[case] problem: &str) {
    let problems = problems(&format!("{HEAD}spec:\n  {spec}\n"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(problem), "{problems:?}");
}

#[test]
fn a_key_that_becomes_a_merge_merges_nothing() {
    let source = format!("{HEAD}spec: {{a: &a {{b: c}}, d: {{'{{{{k}}}}': *a, {{{{l}}}}: *a}}}}\n");
    let spec = render(&compile(&source), &[("k", "<<"), ("l", "*a")]).expect("an object").remove(0)["spec"].take();
    assert_eq!(spec, json!({"a": {"b": "c"}, "d": {"<<": {"b": "c"}, "*a": {"b": "c"}}}));
}

#[test]
fn an_alias_repeats_a_placeholder() {
    let source = format!("{HEAD}spec: {{a: &a {{{{n}}}}, b: *a, c: [&b 'x{{{{n}}}}', *b], <<: {{d: {{{{n}}}}}}}}\n");
    let spec = render(&compile(&source), &[("n", "7")]).expect("an object").remove(0)["spec"].take();
    assert_eq!(spec, json!({"a": 7, "b": 7, "c": ["x7", "x7"], "d": 7}));
}

#[test]
fn keys_that_name_an_object_are_written_out() {
    for source in [
        "{{x}}: v1\nkind: Pod\nmetadata: {name: a}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, 'name{{x}}': b}\n",
    ] {
        let problems = problems(source);
        assert!(problems[0].contains("has a placeholder (write the keys of a manifest and of its metadata out)"));
    }
    for secret in ["RANDOM", "MESSAGE", "FUNCTION_UID", "RUN_TOKEN"] {
        let problems = problems(&format!("apiVersion: v1\nkind: 'A{{{{{secret}}}}}'\nmetadata: {{name: a}}\n"));
        assert!(problems[0].contains("cannot be the kind of an object"), "{problems:?}");
    }
}

#[test]
fn text_that_looks_like_a_mark_is_refused() {
    let escaped = format!("{HEAD}spec: \"\\U0010FD00\"\n");
    assert!(problems(&escaped)[0].starts_with("4:7: a character between U+10FD00 and U+10FEFF"));
    let raw = format!("{HEAD}spec: \u{10fe42}\n");
    assert!(problems(&raw)[0].starts_with("4:7: a character between U+10FD00 and U+10FEFF"));
}

#[test]
fn a_template_keeps_its_source_and_its_path() {
    let source = format!("\u{feff}{HEAD}");
    let template = compile(&source);
    assert_eq!(template.source(), source.as_bytes());
    assert_eq!(template.path().as_str(), "audit/log.yaml");
    assert_eq!(template.headers()[0].position, Position { line: 1, column: 1 });
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile(HEAD));
}
