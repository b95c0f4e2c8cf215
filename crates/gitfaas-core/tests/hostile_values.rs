//! Values can never create structure: whatever a caller gives, the object has the shape that its template has, and
//! every string comes out as it went in.

use gitfaas_core::catalog::params::{ParamRule, ParamRules, ParamType};
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::{Fillings, Manifest};
use gitfaas_core::message::Params;
use gitfaas_core::template::{RenderCode, RenderError, Template, Values};
use gitfaas_core::url::BaseUrl;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Values that are drawn in the large test: parameters of its template times its cases.
const VALUES: u32 = 120_000;

const TEMPLATE: &str = r#"apiVersion: example.dev/v1
kind: Example
metadata:
  name: fixed
spec:
  plain: {{a}}
  mixed: before {{ b }} after
  over: {{{c}}}
    two lines
  single: '{{a}}'
  quote: 'it''s {{b}}'
  double: "{{c}}"
  escaped: "\t\"{{d}}\"\n"
  folded: >
    one {{e}}
    {{a}}

    two
  literal: |-
    {{b}}
      {{f}}: x
  flow: [ {{g}}, "{{h}}", x{{a}}, [{{b}}], {deep: {{c}}}]
  map: {k: {{d}}, k-{{e}}: {{f}}}
  keys:
    {{g}}: 1
  quoted keys:
    "{{h}}": {{{ a }}}
  mixed keys:
    it-{{b}}'s: {c: {{d}}}
  text: \{{a}} {{ .b }} {{ c.d }}   # {{not a placeholder}} {{nor}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: fixed
data:
  plain: {{e}}
  {{f}}.txt: "{{g}}"
"#;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// What has broken templates elsewhere.
const FRAGMENTS: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "---",
    "\n---\n",
    "...",
    "\"",
    "'",
    "\\",
    "\\n",
    ":",
    ": ",
    " #",
    "#",
    "&a",
    "*a",
    "<<",
    "<<: *a",
    "!!int ",
    "!!binary ",
    "|",
    ">",
    "|-",
    "- ",
    "? ",
    "%YAML 1.1",
    "@",
    "`",
    "{",
    "}",
    "[",
    "]",
    ",",
    "{{",
    "}}",
    "{{a}}",
    "{{{b}}}",
    "\\{{c}}",
    "{{ MESSAGE }}",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "false",
    "True",
    "null",
    "~",
    "0",
    "7",
    "-1",
    "007",
    "1.10",
    "0x1F",
    "0o17",
    "1_000",
    "1e3",
    ".inf",
    ".nan",
    "1:30",
    "2001-01-01",
    "9223372036854775807",
    "9223372036854775808",
    "-0",
    "+1",
    "\0",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{200b}",
    "\u{202e}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{e001}",
    "\u{e000}R\u{e001}",
    "\u{e000}T\u{e001}",
    "\u{e000}\u{e001}",
    "\u{f8ff}",
    "\u{fdd0}",
    "\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10fd00}",
    "\u{10fd01}",
    "\u{10fd00}\u{10fe00}\u{10fe00}\u{10fd01}",
    "\u{10fe00}",
    "\u{10ffff}",
    "\u{1f600}",
    "é",
    "e\u{301}",
    "kind: Role",
    "\nkind: Role\n",
    "\n  - name: X\n",
    "$(x)",
    "%0A",
    "&amp;",
    "</script>",
    "gitfaas.io/run",
    "metadata",
    "__proto__",
    "a\n  b: c",
];

fn value() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        3 => vec(fragment, 0..5).prop_map(|fragments| fragments.concat()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

struct Fixture {
    template: Template,
    fillings: Fillings<'static>,
}

impl Fixture {
    fn of(source: &str) -> Self {
        let function = "hostile.yaml".parse().expect("a path");
        let template = Template::compile(&function, source.as_bytes()).expect("a template");
        let run = RunId::derive(RequestId::from_bytes([9; 16]), &function);
        Self {
            template,
            fillings: Fillings::new(&LedgerKey::new([1; 32]), run, Try::FIRST, &BaseUrl::default(), "bWVzc2FnZQ=="),
        }
    }

    fn render(&self, params: &Params) -> Result<Vec<Manifest>, RenderError> {
        self.render_by(params, &ParamRules::default())
    }

    fn render_by(&self, params: &Params, rules: &ParamRules) -> Result<Vec<Manifest>, RenderError> {
        let manifests = self.template.render(&Values {
            topic: &"topic".parse().expect("a topic"),
            revision: "main",
            namespace: "functions",
            traceparent: None,
            params,
            rules,
            fillings: &self.fillings,
        })?;
        Ok(manifests.iter().map(|manifest| manifest.fill(&self.fillings)).collect())
    }
}

fn parse(manifest: &Manifest) -> Value {
    serde_json::from_str(&manifest.json).expect("JSON")
}

/// What a bare placeholder of this value is.
fn typed(value: &str) -> Value {
    match value {
        "true" => json!(true),
        "false" => json!(false),
        _ => match value.parse::<i64>() {
            Ok(number) if number.to_string() == value => json!(number),
            _ => json!(value),
        },
    }
}

fn expected(values: &[String]) -> (Value, Value) {
    let value = |name: &str| values[NAMES.iter().position(|known| *known == name).expect("a name")].as_str();
    let spec = json!({
        "plain": typed(value("a")),
        "mixed": format!("before {} after", value("b")),
        "over": format!("{} two lines", value("c")),
        "single": value("a"),
        "quote": format!("it's {}", value("b")),
        "double": value("c"),
        "escaped": format!("\t\"{}\"\n", value("d")),
        "folded": format!("one {} {}\ntwo\n", value("e"), value("a")),
        "literal": format!("{}\n  {}: x", value("b"), value("f")),
        "flow": [typed(value("g")), value("h"), format!("x{}", value("a")), [typed(value("b"))], {"deep": typed(value("c"))}],
        "map": {"k": typed(value("d")), (format!("k-{}", value("e"))): typed(value("f"))},
        "keys": {(value("g")): 1},
        "quoted keys": {(value("h")): typed(value("a"))},
        "mixed keys": {(format!("it-{}'s", value("b"))): {"c": typed(value("d"))}},
        "text": "{{a}} {{ .b }} {{ c.d }}",
    });
    (spec, json!({"plain": value("e"), (format!("{}.txt", value("f"))): value("g")}))
}

#[test]
fn a_hundred_thousand_hostile_values_change_no_shape_and_no_string() {
    let fixture = Fixture::of(TEMPLATE);
    let cases = VALUES / u32::try_from(NAMES.len()).expect("few names");
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let values = vec(value(), NAMES.len());
    let outcome = runner.run(&values, |values| {
        let params: Params = NAMES.into_iter().map(str::to_owned).zip(values.iter().cloned()).collect();
        let manifests = fixture.render(&params).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (spec, data) = expected(&values);
        prop_assert_eq!(manifests.len(), 2);
        prop_assert_eq!(&parse(&manifests[0])["spec"], &spec);
        prop_assert_eq!(&parse(&manifests[1])["data"], &data);
        for (manifest, kind) in manifests.iter().zip(["Example", "ConfigMap"]) {
            prop_assert_eq!(&manifest.key.kind, kind);
            prop_assert_eq!(&parse(manifest)["kind"], kind);
            prop_assert_eq!(parse(manifest)["metadata"].as_object().map(serde_json::Map::len), Some(3));
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// Rendering does not rely on a plan having checked the values.
#[test]
fn a_declared_type_gives_no_value_a_way_into_the_shape() {
    let fixture = Fixture::of(
        "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {a: {{a}}, b: {{b}}, c: {{c}}, d: {{d}}}\n",
    );
    let kinds = [ParamType::String, ParamType::Integer, ParamType::Number, ParamType::Boolean];
    let rules: ParamRules = NAMES.into_iter().map(str::to_owned).zip(kinds.map(ParamRule::of)).collect();
    let number = prop_oneof![
        value(),
        "-?[0-9.eE+]{1,8}",
        select(&["1e3", "true", "-0", "1}", "0.5,"][..]).prop_map(str::to_owned)
    ];
    let mut runner = TestRunner::new(Config { cases: 5_000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&vec(number, kinds.len()), |values| {
        let params: Params = NAMES.into_iter().map(str::to_owned).zip(values.iter().cloned()).collect();
        let manifests = fixture.render_by(&params, &rules).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let object = parse(&manifests[0]);
        prop_assert_eq!(object["spec"].as_object().map(serde_json::Map::len), Some(kinds.len()));
        for ((name, value), kind) in NAMES.into_iter().zip(&values).zip(kinds) {
            let typed = serde_json::from_str::<Value>(value).ok().filter(|_| kind.has(value));
            let expected = typed.filter(|_| kind != ParamType::String).unwrap_or_else(|| json!(value));
            prop_assert_eq!(&object["spec"][name], &expected, "{} {}", name, kind);
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn values_in_names_kinds_and_namespaces_are_valid_there_or_refused() {
    let fixture = Fixture::of(
        "apiVersion: {{a}}\nkind: {{b}}\nmetadata:\n  name: x-{{c}}\n  namespace: {{d}}\n  labels: {{{e}}: x}\n",
    );
    let word = prop_oneof![2 => value(), 3 => select(&["v1", "batch/v1", "Job", "List", "a-b", "a.b", "n1"][..]).prop_map(str::to_owned)];
    let mut runner = TestRunner::new(Config { cases: 4_000, failure_persistence: None, ..Config::default() });
    let rendered = std::cell::Cell::new(0);
    let outcome = runner.run(&vec(word, 5), |values| {
        let params: Params = NAMES.into_iter().map(str::to_owned).zip(values.iter().cloned()).collect();
        match fixture.render(&params) {
            Err(error) => prop_assert_eq!(error.code, RenderCode::InvalidParameter),
            Ok(manifests) => {
                rendered.set(rendered.get() + 1);
                let object = parse(&manifests[0]);
                prop_assert_eq!(&object["kind"], &values[1]);
                prop_assert!(values[1].bytes().all(|byte| byte.is_ascii_alphanumeric()));
                prop_assert_eq!(&object["metadata"]["name"], &format!("x-{}", values[2]));
                prop_assert!(values[3].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
                prop_assert!(!values[4].starts_with("gitfaas.io/"));
            }
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(rendered.get() > 0, "some values are valid everywhere");
}

#[test]
fn a_value_of_a_mebibyte_is_whole_or_refused() {
    let fixture = Fixture::of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: {{a}}}\n");
    let render = |value: String| fixture.render(&[("a".to_owned(), value)].into());
    for unit in ["x", "é", "\u{e000}", "\u{10fd00}", "{{a}}", "a: b "] {
        let value = unit.repeat((1 << 20) / unit.len());
        assert_eq!(render(value.clone()).expect_err("too large").code, RenderCode::TooLarge, "{unit:?}");
        let most = unit.repeat(((1 << 20) - 1_000) / unit.len());
        assert_eq!(parse(&render(most.clone()).expect("small enough")[0])["data"]["a"], most);
    }
    let controls = "\u{1}".repeat(1 << 19);
    assert_eq!(render(controls).expect_err("six bytes each").code, RenderCode::TooLarge);
}

#[test]
fn keys_that_become_equal_are_refused_and_others_are_not() {
    let fixture = Fixture::of("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {{{a}}: 1, {{b}}: 2, c: 3}\n");
    for (a, b, equal) in
        [("x", "x", true), ("c", "y", true), ("x", "c", true), ("x", "X", false), ("é", "e\u{301}", false)]
    {
        let params: Params = [("a".to_owned(), a.to_owned()), ("b".to_owned(), b.to_owned())].into();
        let rendered = fixture.render(&params);
        assert_eq!(rendered.is_err_and(|error| error.code == RenderCode::InvalidParameter), equal, "{a} {b}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 3_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_bytes_are_a_template_or_problems(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Template::compile(&"a.yaml".parse().expect("a path"), &bytes);
    }

    #[test]
    fn any_yaml_is_a_template_or_problems_with_places(
        lines in vec((0_usize..4, vec(value(), 1..4)), 0..12),
    ) {
        let lines: Vec<String> =
            lines.iter().map(|(indent, words)| format!("{}{}", "  ".repeat(*indent), words.join(": "))).collect();
        let source = format!("apiVersion: v1\nkind: Job\nmetadata:\n  name: x\nspec:\n{}\n", lines.join("\n"));
        if let Err(problems) = Template::compile(&"a.yaml".parse().expect("a path"), source.as_bytes()) {
            let lines = u32::try_from(source.split(['\n', '\r']).count()).expect("few lines");
            for problem in problems {
                let position = problem.position.expect("a place");
                prop_assert!(position.line >= 1 && position.line <= lines + 1 && position.column >= 1, "{}", problem);
            }
        }
    }
}
