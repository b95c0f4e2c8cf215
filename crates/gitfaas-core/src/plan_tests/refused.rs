//! What a plan refuses.

use super::*;

#[rstest]
#[case::plain("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\n")]
#[case::double_quotes("apiVersion: v1\nkind: \"Role\"\nmetadata: {name: reader}\n")]
#[case::single_quotes("apiVersion: v1\nkind: 'Role'\nmetadata: {name: reader}\n")]
#[case::escapes("apiVersion: v1\nkind: \"\\x52ol\\u0065\"\nmetadata: {name: reader}\n")]
#[case::quoted_key("apiVersion: v1\n\"kind\": \"Role\"\nmetadata: {name: reader}\n")]
#[case::escaped_key("apiVersion: v1\n\"k\\x69nd\": Role\nmetadata: {name: reader}\n")]
#[case::explicit_key("apiVersion: v1\n? kind\n: Role\nmetadata: {name: reader}\n")]
#[case::next_line("apiVersion: v1\nkind:\n  Role\nmetadata: {name: reader}\n")]
#[case::tag("apiVersion: v1\nkind: !!str Role\nmetadata: {name: reader}\n")]
#[case::tagged_key("apiVersion: v1\n!!str kind: Role\nmetadata: {name: reader}\n")]
#[case::folded("apiVersion: v1\nkind: >-\n  Role\nmetadata: {name: reader}\n")]
#[case::literal("apiVersion: v1\nkind: |-\n  Role\nmetadata: {name: reader}\n")]
#[case::lower_case("apiVersion: v1\nkind: role\nmetadata: {name: reader}\n")]
#[case::json("{\"apiVersion\": \"v1\", \"kind\": \"Role\", \"metadata\": {\"name\": \"reader\"}}")]
#[case::json_escape("{\"apiVersion\": \"v1\", \"kind\": \"\\u0052ole\", \"metadata\": {\"name\": \"reader\"}}")]
#[case::flow("{apiVersion: v1, kind: Role, metadata: {name: reader}}")]
#[case::anchor("apiVersion: v1\nmetadata: {name: reader, labels: {a: &kind Role}}\nkind: *kind\n")]
#[case::merge("metadata: {name: reader}\n<<: {apiVersion: v1, kind: Role}\n")]
#[case::second_document(
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Role\nmetadata: {name: reader}\n"
)]
#[case::list_item(
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Role, metadata: {name: reader}}\n"
)]
#[case::list_in_list(
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Role, metadata: {name: reader}}\n"
)]
#[case::typed_list(
    "apiVersion: v1\nkind: RoleList\nitems:\n- {apiVersion: v1, kind: Role, metadata: {name: reader}}\n"
)]
#[case::parameter("apiVersion: v1\nkind: {{kind}}\nmetadata: {name: reader}\n")]
#[case::part_by_parameter("apiVersion: v1\nkind: R{{rest}}\nmetadata: {name: reader}\n")]
#[case::directive("%YAML 1.1\n---\napiVersion: v1\nkind: Role\nmetadata: {name: reader}\n")]
#[case::carriage_returns("apiVersion: v1\r\nkind: Role\r\nmetadata: {name: reader}\r\n")]
fn a_banned_kind_is_not_admitted_however_it_is_written(#[case] source: &str) {
    let case = Case::of(&[source]).param("kind", "Role").param("rest", "ole");
    let failures = case.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].0, "not-admitted");
    assert!(failures[0].1.contains(": the kind `Role` is banned on this server"), "{failures:?}");
}

#[rstest]
#[case::blanks("apiVersion: v1\nkind: ' Role '\nmetadata: {name: reader}\n")]
#[case::line_break("apiVersion: v1\nkind: |\n  Role\nmetadata: {name: reader}\n")]
#[case::key_by_parameter("apiVersion: v1\n\"{{key}}\": Role\nmetadata: {name: reader}\n")]
fn what_is_no_kind_does_not_even_compile(#[case] source: &str) {
    let failures = Case::of(&[source]).failures();
    assert!(failures.iter().all(|failure| failure.0 == "topic-broken"), "{failures:?}");
}

#[rstest]
#[case("role")]
#[case("ROLE")]
#[case(" Role")]
#[case("Role\n")]
#[case("\"Role\"")]
#[case("!!str Role")]
#[case("List")]
#[case("RoleList")]
#[case("rolelist")]
#[case("ConfigMap\nkind: Role")]
fn no_value_of_a_parameter_makes_a_banned_kind(#[case] kind: &str) {
    let source = "apiVersion: v1\nkind: {{kind}}\nmetadata: {name: reader}\n\
                  items:\n- {apiVersion: v1, kind: Role, metadata: {name: reader}}\n";
    assert!(Case::of(&[source]).param("kind", "ConfigMap").plan().is_ok());
    let failures = Case::of(&[source]).param("kind", kind).failures();
    assert!(failures.iter().all(|failure| ["not-admitted", "invalid-parameter"].contains(&failure.0)), "{failures:?}");
}

#[rstest]
#[case::another_kind("apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\n")]
#[case::comment("# kind: Role\napiVersion: v1\nkind: ConfigMap # kind: Role\nmetadata: {name: a}\n")]
#[case::text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: role}\ndata:\n  a: |\n    kind: Role\n")]
#[case::data_key("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {kind: Role}\n")]
fn the_word_alone_is_no_banned_kind(#[case] source: &str) {
    let plan = Case::of(&[source]).plan().map_err(|error| error.to_string());
    assert!(plan.is_ok(), "{plan:?}");
}

#[test]
fn lint_says_what_is_certain_to_be_refused() {
    let role = "apiVersion: v1\nkind: 'role'\nmetadata: {name: reader}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}\n";
    let case = Case::of(&[role]);
    let version = case.topic.version.expect("compiles");
    let told = |policy: &Policy| -> Vec<u32> {
        let problems = policy.problems(version.functions[0].template());
        problems.into_iter().filter_map(|problem| Some(problem.position?.line)).collect()
    };
    assert_eq!(told(&Policy::default()), [1]);
    let own = Policy::new("", Namespaces::Only(["functions".to_owned()].into())).expect("a policy");
    assert_eq!(told(&own), [5]);
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: {{replicas}}\n  paused: {{flag}}\n";

#[test]
fn a_declared_parameter_is_checked_and_has_its_type_and_default() {
    let rules = serde_json::json!({
        "replicas": {"type": "integer", "minimum": "1", "maximum": "10", "default": "2"},
        "flag": {"type": "string", "default": "true"},
    });
    let spec = |case: &Case| {
        let plan = case.plan().expect("a plan");
        let fillings = Fillings::new(
            &case.key,
            plan.runs[0].run.id,
            Try::FIRST,
            &case.base_url,
            Cow::Borrowed(plan.message.as_str()),
        );
        let manifest = plan.runs[0].manifests[0].fill(&fillings);
        serde_json::from_str::<serde_json::Value>(&manifest.json).expect("JSON")["spec"].clone()
    };
    let case = Case::of(&[DEPLOYMENT]).declares(rules);
    assert_eq!(spec(&case), serde_json::json!({"replicas": 2, "paused": "true"}));
    let case = case.param("replicas", "10");
    assert_eq!(spec(&case), serde_json::json!({"replicas": 10, "paused": "true"}));
    let error = case.param("replicas", "11\n").plan().expect_err("refused");
    assert_eq!(error.failures[0].code, FailureCode::InvalidParameter);
    assert_eq!(
        error.to_string(),
        "the parameter `replicas` of the topic `collect` has to be a whole number, written like `7` or `-7`, and is `11\\n`"
    );
}

#[test]
fn a_declared_parameter_without_a_default_has_to_be_given_also_when_no_template_uses_it() {
    let case = Case::of(&[JOB]).declares(serde_json::json!({"day": {"type": "string"}}));
    let error = case.plan().expect_err("refused");
    assert_eq!(error.failures[0].code, FailureCode::MissingParameter);
    assert_eq!(error.to_string(), "the topic `collect` needs the parameter `day`: publish with `?day=…`");
    assert!(case.param("day", "").plan().is_ok());
}

#[test]
fn a_message_has_to_fit_the_size_and_the_schema_of_its_topic() {
    let mut case = Case::of(&[JOB]);
    let path = "hello.json".parse().expect("a path");
    let schema = Bytes::from_static(br#"{"required": ["hello"], "properties": {"hello": {"maxLength": 5}}}"#);
    let version = case.topic.version.as_mut().expect("a version");
    version.schema = Some(Arc::new(MessageSchema::compile(&path, &schema).expect("a schema")));
    version.rules.message.max_bytes = NonZeroU32::new(18);
    assert!(case.plan().is_ok());
    case.payload = Bytes::from_static(b"{\"hello\": 7777777}");
    assert!(case.plan().is_ok(), "eighteen bytes");
    for (payload, code, told) in [
        ("{\"hello\": \"longer\"}", "too-large", "the message has 19 bytes, and the topic `collect` takes at most 18"),
        (
            "{\"hello\":\"longer\"}",
            "invalid-message",
            "the message for the topic `collect` does not fit `hello.json`: `/hello`: the value is longer than 5 characters",
        ),
        (
            "hello",
            "invalid-message",
            "the message for the topic `collect` is not JSON: expected value at line 1 column 1",
        ),
    ] {
        case.payload = Bytes::copy_from_slice(payload.as_bytes());
        assert_eq!(case.failures(), [(code, told.to_owned())]);
    }
}
