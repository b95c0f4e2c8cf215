use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::id::{RequestId, RunId, Try};
use crate::key::LedgerKey;
use crate::manifest::{Hole, Holed};
use crate::run::ObjectKey;

/// The manifest that this object makes, recorded as what it says it is.
fn manifest(object: &Value) -> Manifest {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = ObjectKey {
        api_version: text(&object["apiVersion"]).unwrap_or_default(),
        kind: text(&object["kind"]).unwrap_or_default(),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]).unwrap_or_default(),
    };
    Manifest { key, unique: false, json: object.to_string() }
}

fn object(api_version: &str, kind: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "reader"}})
}

fn refusal(policy: &Policy, object: &Value) -> String {
    admit(policy, manifest(object)).expect_err("a refusal").to_string()
}

#[rstest]
#[case("rbac.authorization.k8s.io/v1", "Role")]
#[case("rbac.authorization.k8s.io/v1", "ClusterRoleBinding")]
#[case("v1", "ServiceAccount")]
#[case("networking.k8s.io/v1", "Ingress")]
#[case("extensions/v1beta1", "ingress")]
#[case("v1", "ROLE")]
#[case("v1", " Role\n")]
#[case("rbac.authorization.k8s.io//v1", "Role")]
#[case("", "RoleBinding")]
fn a_banned_kind_is_refused_however_it_is_written(#[case] api_version: &str, #[case] kind: &str) {
    let told = refusal(&Policy::default(), &object(api_version, kind));
    assert!(told.starts_with("the kind `"), "{told}");
    assert!(told.contains("`--banned-kinds`") && told.contains("`app.apply.bannedKubeRessources`"), "{told}");
}

#[rstest]
#[case("monitoring.coreos.com/v1", "ServiceMonitor")]
#[case("batch/v1", "Job")]
#[case("example.org/v1", "IngressRoute")]
#[case("example.org/v1", "Roles")]
#[case("v1", "Service")]
fn a_kind_that_only_looks_like_a_banned_one_is_admitted(#[case] api_version: &str, #[case] kind: &str) {
    let manifest = manifest(&object(api_version, kind));
    let admitted = admit(&Policy::default(), manifest.clone()).expect("admitted");
    assert_eq!(admitted.key.kind, kind);
    assert_eq!(admitted.as_ref(), &manifest);
    assert_eq!(admitted.into_inner(), manifest);
}

#[test]
fn a_banned_kind_may_name_its_group() {
    let policy = Policy::new(" Ingress.networking.k8s.io  secret ", Namespaces::Any).expect("kinds");
    for (api_version, kind) in
        [("networking.k8s.io/v1", "Ingress"), ("Networking.K8s.IO/v9", "INGRESS"), ("v1", "Secret")]
    {
        assert!(refusal(&policy, &object(api_version, kind)).contains("is banned"), "{api_version} {kind}");
    }
    for (api_version, kind) in [("extensions/v1beta1", "Ingress"), ("v1", "Role")] {
        assert!(admit(&policy, manifest(&object(api_version, kind))).is_ok(), "{api_version} {kind}");
    }
}

#[rstest]
#[case("Role,RoleBinding", "Role,RoleBinding")]
#[case("Job Ingress.", "Ingress.")]
#[case(".apps", ".apps")]
#[case("1st", "1st")]
fn a_word_that_is_no_kind_is_no_ban(#[case] words: &str, #[case] wrong: &str) {
    let error = Policy::new(words, Namespaces::Any).expect_err("no kind").to_string();
    assert!(error.starts_with(&format!("`{wrong}` is not a kind")), "{error}");
}

#[test]
fn nothing_is_banned_where_the_list_is_empty() {
    let policy = Policy::new("", Namespaces::Any).expect("no kinds");
    assert!(admit(&policy, manifest(&object("rbac.authorization.k8s.io/v1", "Role"))).is_ok());
}

#[rstest]
#[case("batch/v1", "Job!", "`Job!` is not the name of a kind")]
#[case("batch/v1", "", "`` is not the name of a kind")]
#[case("batch/v1", "R\u{f6}le", "`R\u{f6}le` is not the name of a kind")]
#[case("batch/v1/x", "Job", "`batch/v1/x` is not an apiVersion")]
#[case("/v1", "Job", "`/v1` is not an apiVersion")]
#[case("batch/", "Job", "`batch/` is not an apiVersion")]
#[case("batch /v1", "Job", "`batch /v1` is not an apiVersion")]
#[case("", "Job", "`` is not an apiVersion")]
fn what_no_cluster_knows_is_refused(#[case] api_version: &str, #[case] kind: &str, #[case] expected: &str) {
    let told = refusal(&Policy::default(), &object(api_version, kind));
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn a_group_spelled_oddly_does_not_slip_by_its_ban() {
    let policy = Policy::new("Ingress.networking.k8s.io", Namespaces::Any).expect("kinds");
    for api_version in
        ["networking.k8s.io/v1/", "networking.k8s.io/x/v1", "/networking.k8s.io/v1", "networking.k8s.io\u{200b}/v1"]
    {
        assert!(admit(&policy, manifest(&object(api_version, "Ingress"))).is_err(), "{api_version}");
    }
}

#[rstest]
#[case("List")]
#[case("RoleList")]
#[case("configmaplist")]
fn a_list_that_still_has_items_is_refused(#[case] kind: &str) {
    for items in ["items", "Items"] {
        let mut list = object("v1", kind);
        list[items] = json!([object("rbac.authorization.k8s.io/v1", "Role")]);
        let told = refusal(&Policy::default(), &list);
        assert!(told.contains("with items cannot be looked into"), "{told}");
    }
    let mut waitlist = object("example.org/v1", kind);
    waitlist["spec"] = json!({"items": 3});
    assert!(admit(&Policy::default(), manifest(&waitlist)).is_ok());
}

#[rstest]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","Kind":"Role","metadata":{"name":"reader"}}"#,
    "the object has a key `Kind` that could be taken for `kind`"
)]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","kind":"Role","metadata":{"name":"reader"}}"#,
    "the object has `kind` twice"
)]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","k\u0069nd":"Role","metadata":{"name":"reader"}}"#,
    "the object has `kind` twice"
)]
#[case(
    r#"{"apiVersion":"v1","APIVERSION":"v2","kind":"ConfigMap","metadata":{"name":"reader"}}"#,
    "the object has a key `APIVERSION` that could be taken for `apiVersion`"
)]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"reader"},"metadata":{"name":"b"}}"#,
    "the object has `metadata` twice"
)]
#[case(r#"{"apiVersion":"v1","kind":"ConfigMap"}"#, "the object has no `metadata`")]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"a"}}"#,
    "the object has no `metadata.name`"
)]
#[case(r#"{"apiVersion":"v1","metadata":{"name":"reader"}}"#, "the object has no `kind`")]
#[case(r#"{"kind":"ConfigMap","metadata":{"name":"reader"}}"#, "the object has no `apiVersion`")]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":"gfr_secret"}"#,
    "the object is malformed (at character 61 of its JSON)"
)]
#[case(
    r#"{"apiVersion":"v1","kind":["gfr_secret"],"metadata":{"name":"reader"}}"#,
    "the object is malformed (at character 26 of its JSON)"
)]
#[case(r#"[{"apiVersion":"v1"}]"#, "the object is malformed (at character 0 of its JSON)")]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"reader"}} {}"#,
    "the object is malformed (at character 69 of its JSON)"
)]
#[case(r#"{"apiVersion":"v1","kind":"Role","metadata":{"name":"reader"}}"#, "the kind `Role` is banned on this server")]
#[case(
    r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"reader"}}"#,
    "the object is not the ConfigMap reader it is recorded as"
)]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}"#,
    "the object is not the ConfigMap reader it is recorded as"
)]
#[case(
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"reader","namespace":"b"}}"#,
    "the object is not the ConfigMap reader it is recorded as"
)]
#[case(
    r#"{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"reader"}}"#,
    "the object is not the ConfigMap reader it is recorded as"
)]
fn the_object_itself_is_looked_at_and_not_its_record(#[case] json: &str, #[case] expected: &str) {
    let recorded = Manifest { json: json.to_owned(), ..manifest(&object("v1", "ConfigMap")) };
    let refusal = admit(&Policy::default(), recorded).expect_err("a refusal");
    assert_eq!(refusal.message, expected);
}

fn in_namespace(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "reader", "namespace": namespace}})
}

#[test]
fn a_namespace_must_be_allowed_and_the_own_one_always_is() {
    let only = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Policy::new("", Namespaces::Only(names)).expect("a policy")
    };
    let policy = only(&["team-a", "team-b"]);
    assert!(admit(&policy, manifest(&in_namespace("team-b"))).is_ok());
    assert!(admit(&policy, manifest(&in_namespace(""))).is_ok());
    assert!(admit(&policy, manifest(&in_namespace("Team-B"))).is_err());
    assert!(admit(&only(&[]), manifest(&object("v1", "ConfigMap"))).is_ok());
    assert!(admit(&Policy::default(), manifest(&in_namespace("kube-system"))).is_ok());
    assert_eq!(
        refusal(&policy, &in_namespace("kube-system")),
        "the namespace `kube-system` is not allowed on this server (allowed are team-a, team-b; or leave \
         `metadata.namespace` out to use the server's own)"
    );
    assert_eq!(
        refusal(&only(&[]), &in_namespace("Team-A")),
        "the namespace `Team-A` is not allowed on this server (leave `metadata.namespace` out to use the server's own)"
    );
}

fn recorded(kind: &str, namespace: Option<Hole>) -> RecordedManifest {
    let hole = |hole| {
        let mut holed = Holed::default();
        holed.push_hole(hole);
        holed
    };
    let mut json = Holed::default();
    json.push_text(&format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":""#));
    json.push_hole(Hole::Random);
    if let Some(namespace) = namespace {
        json.push_text(r#"","namespace":""#);
        json.push_hole(namespace);
    }
    json.push_text("\"}}");
    RecordedManifest {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.map(hole),
        name: hole(Hole::Random),
        unique: true,
        json,
    }
}

#[test]
fn recorded_manifests_are_filled_and_admitted_all_or_none() {
    let run = RunId::derive(RequestId::from_bytes([4; 16]), &"a.yaml".parse().expect("a function"));
    let fillings = Fillings::new(&LedgerKey::new([9; 32]), run, Try(3), &crate::url::BaseUrl::default(), "aGVsbG8=");
    let policy = Policy::new("Secret", Namespaces::Only(["aGVsbG8=".to_owned()].into())).expect("a policy");
    let admitted = admit_all(&[recorded("ConfigMap", None), recorded("Pod", Some(Hole::Message))], &fillings, &policy);
    let names: Vec<ObjectKey> = admitted.expect("admitted").into_iter().map(|one| one.into_inner().key).collect();
    assert_eq!(names[1].name, fillings.of(Hole::Random));
    assert_eq!(names[1].namespace.as_deref(), Some("aGVsbG8="));
    for refused in [recorded("Secret", None), recorded("Pod", Some(Hole::Try))] {
        assert!(admit_all(&[recorded("ConfigMap", None), refused], &fillings, &policy).is_err());
    }
}

/// Members that make an object or spoil it, as JSON text.
fn member() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "apiVersion",
        "kind",
        "Kind",
        "KIND",
        "k\\u0069nd",
        "kind ",
        "metadata",
        "items",
        "spec",
    ]);
    let value = prop::sample::select(vec![
        r#""v1""#,
        r#""ConfigMap""#,
        r#""Role""#,
        r#""rOLE""#,
        r#"" Role""#,
        r#""Rol\u0065""#,
        r#""List""#,
        r#"{"name": "reader"}"#,
        r#"[{"kind": "Role"}]"#,
        "null",
    ]);
    (key, value).prop_map(|(key, value)| format!("\"{key}\": {value}"))
}

proptest! {
    #[test]
    fn what_is_admitted_is_not_banned_to_whoever_reads_it(mut members in prop::collection::vec(member(), 0..4), place in 0_usize..4) {
        let right = [r#""apiVersion": "v1""#, r#""kind": "ConfigMap""#, r#""metadata": {"name": "reader"}"#];
        members.splice(place.min(members.len())..place.min(members.len()), right.map(str::to_owned));
        let json = format!("{{{}}}", members.join(", "));
        let recorded = Manifest { json: json.clone(), ..manifest(&object("v1", "ConfigMap")) };
        if admit(&Policy::default(), recorded).is_ok() {
            let read: serde_json::Map<String, Value> = serde_json::from_str(&json).expect("JSON");
            let kinds = read.iter().filter(|(key, _)| key.eq_ignore_ascii_case("kind")).map(|(_, kind)| kind);
            prop_assert_eq!(kinds.collect::<Vec<_>>(), ["ConfigMap"], "{}", json);
            let is_kind = |member: &&String| ["\"kind\":", "\"k\\u0069nd\":"].iter().any(|key| member.starts_with(key));
            prop_assert_eq!(members.iter().filter(is_kind).count(), 1, "{}", json);
        }
    }

    #[test]
    fn no_text_makes_it_panic(json in "[\\[\\]{}:,\"\\\\ a-z0-9]{0,60}") {
        let recorded = Manifest { json, ..manifest(&object("v1", "ConfigMap")) };
        prop_assert!(admit(&Policy::default(), recorded).is_err());
    }
}
