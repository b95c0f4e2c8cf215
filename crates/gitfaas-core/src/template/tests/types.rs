//! Which type a value takes where.

use rstest::rstest;
use serde_json::{Value, json};

use super::{compile, problems, render};

fn spec(spec: &str, params: &[(&str, &str)]) -> Value {
    let source = format!("apiVersion: example.dev/v1\nkind: Example\nmetadata: {{name: x}}\nspec:\n{spec}\n");
    render(&compile(&source), params).expect("an object").remove(0)["spec"].take()
}

#[rstest]
#[case("3", json!(3))]
#[case("-12", json!(-12))]
#[case("0", json!(0))]
#[case("true", json!(true))]
#[case("false", json!(false))]
#[case("1.10", json!("1.10"))]
#[case("007", json!("007"))]
#[case("yes", json!("yes"))]
#[case("", json!(""))]
#[case("null", json!("null"))]
#[case("[1]", json!("[1]"))]
#[case("9223372036854775808", json!("9223372036854775808"))]
fn a_plain_placeholder_takes_canonical_integers_and_booleans_as_such(#[case] value: &str, #[case] meant: Value) {
    assert_eq!(spec("  replicas: {{n}}", &[("n", value)]), json!({"replicas": meant}));
    assert_eq!(spec("  - {{{ n }}}", &[("n", value)]), json!([meant]));
    assert_eq!(spec("  {a: {{n}}}", &[("n", value)]), json!({"a": meant}));
}

#[rstest]
#[case("'{{n}}'", "7")]
#[case("\"{{n}}\"", "7")]
#[case("x{{n}}", "x7")]
#[case("{{n}}{{n}}", "77")]
#[case("|-\n    {{n}}", "7")]
#[case(">-\n    {{n}}", "7")]
#[case("!!str {{n}}", "7")]
#[case("!local {{n}}", "7")]
fn a_quoted_or_mixed_scalar_is_a_string(#[case] scalar: &str, #[case] meant: &str) {
    assert_eq!(spec(&format!("  a: {scalar}"), &[("n", "7")]), json!({"a": meant}));
}

#[test]
fn reserved_names_are_always_strings() {
    let source = "  a: {{TOPIC}}\n  b: {{TRACEPARENT}}\n  c: {{ NAMESPACE }}\n  d: {{MESSAGE}}";
    assert_eq!(spec(source, &[]), json!({"a": "météo", "b": "", "c": "functions", "d": "aGVsbG8="}));
}

#[rstest]
#[case::labels("apiVersion: v1\nkind: Example\nmetadata: {name: x, labels: {a: {{n}}}}", "/metadata/labels/a")]
#[case::annotations(
    "apiVersion: v1\nkind: Example\nmetadata: {name: x, annotations: {a: {{n}}}}",
    "/metadata/annotations/a"
)]
#[case::name("apiVersion: v1\nkind: Example\nmetadata: {name: {{n}}}", "/metadata/name")]
#[case::config_map("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: {{n}}}", "/data/a")]
#[case::secret("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: {{n}}}", "/stringData/a")]
#[case::env(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{env: [{name: A, value: {{n}}}]}]}",
    "/spec/containers/0/env/0/value"
)]
#[case::args(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {initContainers: [{args: [a, {{n}}]}]}",
    "/spec/initContainers/0/args/1"
)]
#[case::command(
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n\
     spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{command: [{{n}}]}]}}}",
    "/spec/template/spec/containers/0/command/0"
)]
#[case::node_selector(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {nodeSelector: {a: {{n}}}}",
    "/spec/nodeSelector/a"
)]
fn places_for_strings_hold_strings(#[case] source: &str, #[case] place: &str) {
    let object = render(&compile(source), &[("n", "7")]).expect("an object").remove(0);
    assert_eq!(object.pointer(place), Some(&json!("7")));
}

#[test]
fn places_for_numbers_keep_them() {
    let source = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n\
                  spec: {containers: [{name: a, ports: [{containerPort: {{n}}}], resources: {limits: {cpu: {{n}}}}}]}";
    let object = render(&compile(source), &[("n", "7")]).expect("an object").remove(0);
    assert_eq!(object["spec"]["containers"][0]["ports"][0]["containerPort"], 7);
    assert_eq!(object["spec"]["containers"][0]["resources"]["limits"]["cpu"], 7);
}

#[test]
fn what_is_no_string_where_one_is_wanted_is_told_with_its_cure() {
    let source = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  labels:\n    on-call: yes\nspec:\n  containers:\n  \
                  - name: a\n    command: [sleep, 0644]\n    env:\n    - name: A\n      value: 5\n    - name: B\n      \
                  value: {a: b}\n    - name: C\n      value:\n";
    assert_eq!(
        problems(source),
        [
            "6:14: Kubernetes wants a string here, and this is a boolean (write it in quotes)",
            "10:22: Kubernetes wants a string here, and this is a number (write it in quotes)",
            "13:14: Kubernetes wants a string here, and this is a number (write it in quotes)",
            "15:14: Kubernetes wants a string here, and this is a mapping (write a string)",
        ]
    );
}

#[test]
fn floats_are_written_as_go_writes_them() {
    let source = "  a: 1e3\n  b: 1.5e-7\n  c: -0.0\n  d: 1e21\n  e: 0.1";
    let source = format!("apiVersion: v1\nkind: Example\nmetadata: {{name: x}}\nspec:\n{source}\n");
    let json = super::with(&[], |values| compile(&source).render(values).expect("an object").remove(0).json);
    let json = json.fill(&super::fillings(1));
    assert!(json.contains(r#""spec":{"a":1000,"b":1.5e-7,"c":0,"d":1e21,"e":0.1}"#), "{json}");
}

#[test]
fn where_a_parameter_decides_the_kind_values_are_strings_and_the_rest_stays() {
    let source = "apiVersion: v1\nkind: '{{k}}'\nmetadata: {name: x}\ndata: {a: {{n}}, b: 5, c: {d: {{n}}}}\n";
    let object = render(&compile(source), &[("k", "Example"), ("n", "7")]).expect("an object").remove(0);
    assert_eq!(object["data"], json!({"a": "7", "b": 5, "c": {"d": 7}}));
    assert_eq!(problems(&source.replace("'{{k}}'", "ConfigMap")).len(), 2, "a number and a mapping in a ConfigMap");
}

#[test]
fn placeholders_stand_in_json_as_in_yaml() {
    let source = r#"{"apiVersion":"v1","kind":"Example","metadata":{"name":"x"},"spec":{"a":{{n}},"b":["{{n}}",{{n}}],"c":{"d":{{n}}}}}"#;
    let spec = render(&compile(source), &[("n", "7")]).expect("an object").remove(0)["spec"].take();
    assert_eq!(spec, json!({"a": 7, "b": ["7", 7], "c": {"d": 7}}));
}
