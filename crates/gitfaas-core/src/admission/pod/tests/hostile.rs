use proptest::prelude::*;
use rstest::rstest;

use super::*;
use PodPolicy::{Baseline, Off};

/// The message about the JSON of a Job whose pod has this as its `spec`.
fn told_of_spec(spec: &str) -> String {
    told_of(&format!(
        r#"{{"apiVersion": "batch/v1", "kind": "Job", "metadata": {{"name": "reader"}}, "spec": {{"template": {{"spec": {spec}}}}}}}"#
    ))
}

fn told_of(json: &str) -> String {
    let admitted = admit(&Policy::default(), recorded("batch/v1", "Job", json.to_owned()));
    admitted.map_or_else(|refusal| refusal.message, |_| String::new())
}

#[rstest]
#[case(r#"{"hostPID": false, "hostPID": false}"#, "`spec.template.spec.hostPID` is there twice")]
#[case(r#"{"hostPID": false, "hos\u0074PID": false}"#, "`spec.template.spec.hostPID` is there twice")]
#[case(r#"{"HostPID": true}"#, "`spec.template.spec.hostPID` is also there in another spelling")]
#[case(r#"{"hostpid": null}"#, "`spec.template.spec.hostPID` is also there in another spelling")]
#[case(r#"{"hoſtPID": true}"#, "`spec.template.spec.hostPID` is also there in another spelling")]
#[case(r#"{"hostNetworK": true}"#, "`spec.template.spec.hostNetwork` is also there in another spelling")]
#[case("{\"hostNetwor\u{212a}\": true}", "`spec.template.spec.hostNetwork` is also there in another spelling")]
#[case(r#"{"hostPID": "true"}"#, "`spec.template.spec.hostPID` is neither true nor false")]
#[case(r#"{"hostPID": 1}"#, "`spec.template.spec.hostPID` is neither true nor false")]
#[case(r#"{"hostPID": {}}"#, "`spec.template.spec.hostPID` is neither true nor false")]
#[case(r#"{"containers": {"0": {}}}"#, "`spec.template.spec.containers` is no list")]
#[case(r#"{"containers": "a"}"#, "`spec.template.spec.containers` is no list")]
#[case(r#"{"containers": [[]]}"#, "`spec.template.spec.containers[0]` is no mapping")]
#[case(
    r#"{"containers": [{"securityContext": [true]}]}"#,
    "`spec.template.spec.containers[0].securityContext` is no mapping"
)]
#[case(
    r#"{"containers": [{"ports": [{"hostPort": "80"}]}]}"#,
    "`spec.template.spec.containers[0].ports[0].hostPort` is no whole number"
)]
#[case(
    r#"{"containers": [{"ports": [{"hostPort": 0.0}]}]}"#,
    "`spec.template.spec.containers[0].ports[0].hostPort` is no whole number"
)]
#[case(
    r#"{"containers": [{"ports": [{"hostPort": -0}]}]}"#,
    "`spec.template.spec.containers[0].ports[0].hostPort` is no whole number"
)]
#[case(r#"{"serviceAccountName": ["default"]}"#, "`spec.template.spec.serviceAccountName` is no string")]
#[case(
    r#"{"containers": [{"securityContext": {"capabilities": {"add": "SYS_ADMIN"}}}]}"#,
    "`spec.template.spec.containers[0].securityContext.capabilities.add` is no list"
)]
#[case(
    r#"{"containers": [{"securityContext": {"capabilities": {"add": [["SYS_ADMIN"]]}}}]}"#,
    "`spec.template.spec.containers[0].securityContext.capabilities.add[0]` is no string"
)]
fn what_cannot_be_understood_is_refused(#[case] spec: &str, #[case] expected: &str) {
    assert_eq!(told_of_spec(spec), format!("{expected}, so the pod policy cannot tell what it means"));
}

#[rstest]
#[case(r#""Spec": {}"#, "the object has a key `Spec` that could be taken for `spec`")]
#[case(r#""spec": {}, "spec": {}"#, "the object has `spec` twice")]
#[case(r#""spec": []"#, "`spec` is no mapping, so the pod policy cannot tell what it means")]
#[case(
    r#""spec": {"Template": {}}"#,
    "`spec.template` is also there in another spelling, so the pod policy cannot tell what it means"
)]
#[case(
    r#""spec": {"template": {"Spec": {}}}"#,
    "`spec.template.spec` is also there in another spelling, so the pod policy cannot tell what it means"
)]
fn the_way_to_the_pods_is_unmistakable(#[case] members: &str, #[case] expected: &str) {
    let json = format!(r#"{{"apiVersion": "batch/v1", "kind": "Job", "metadata": {{"name": "reader"}}, {members}}}"#);
    assert_eq!(told_of(&json), expected);
}

#[test]
fn the_order_of_the_members_does_not_matter() {
    let json = r#"{"spec": {"template": {"spec": {"hostPID": true}}}, "metadata": {"name": "reader"}, "kind": "Job", "apiVersion": "batch/v1"}"#;
    assert!(told_of(json).contains("(Host Namespaces)"));
}

#[test]
fn where_the_policy_is_off_nothing_is_looked_at() {
    let mut object = job(&with("hostPID", json!("yes")));
    object["Spec"] = json!([]);
    assert_eq!(told(Off, &object), "");
    assert_ne!(told(Baseline, &object), "");
}

#[test]
fn no_value_is_repeated_in_a_refusal() {
    for spec in [
        r#"{"serviceAccountName": "gfr_secret"}"#,
        r#"{"hostPID": "gfr_secret"}"#,
        r#"{"volumes": [{"gfr_secret": {}}]}"#,
        r#"{"containers": [{"securityContext": {"capabilities": {"add": ["gfr_secret"]}}}]}"#,
    ] {
        for pods in [Baseline, PodPolicy::Restricted] {
            let object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "reader"},
                "spec": {"template": {"spec": serde_json::from_str::<Value>(spec).expect("JSON")}}});
            let told = told(pods, &object);
            assert!(!told.contains("gfr_secret"), "{told}");
        }
    }
}

/// Members of a pod's `spec`, or of what is below it, as JSON text: right ones, forbidden ones, and their lookalikes.
fn member() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "hostPID",
        "HostPid",
        "hoſtPID",
        "hos\\u0074PID",
        "hostPID ",
        "privileged",
        "Privileged",
        "PRIVILEGED",
        "containers",
        "Containers",
        "containerſ",
        "securityContext",
        "SecurityContext",
        "initContainers",
        "other",
    ]);
    let leaf = prop::sample::select(vec!["true", "false", "null", "0", "\"true\"", "\"\"", "[]", "{}"]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, move |inner| {
        let object = prop::collection::vec((key.clone(), inner.clone()), 0..3).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            format!("{{{}}}", members.join(", "))
        });
        prop_oneof![object, prop::collection::vec(inner, 0..2).prop_map(|items| format!("[{}]", items.join(", ")))]
    })
}

/// A value that keeps every member, as the most careless reader might see it: each could count, in any case.
enum Loose {
    True,
    Other,
    Items(Vec<Loose>),
    Members(Vec<(String, Loose)>),
}

impl<'de> serde::Deserialize<'de> for Loose {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = Loose;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
                Ok(if value { Loose::True } else { Loose::Other })
            }
            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Loose, E> {
                Ok(Loose::Other)
            }
            fn visit_str<E>(self, _: &str) -> Result<Loose, E> {
                Ok(Loose::Other)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Loose::Items(all))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                let mut all = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Loose>()? {
                    all.push((key.replace('ſ', "s").to_lowercase(), value));
                }
                Ok(Loose::Members(all))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl Loose {
    fn below(&self, key: &str) -> Vec<&Self> {
        let Self::Members(members) = self else { return Vec::new() };
        members.iter().filter(|(known, _)| known == key).map(|(_, value)| value).collect()
    }

    /// Whether any way of reading this `spec` has a pod in it that `baseline` forbids.
    fn is_dangerous(&self) -> bool {
        let lists = ["containers", "initcontainers"].into_iter().flat_map(|list| self.below(list));
        let containers = lists.flat_map(|list| match list {
            Self::Items(items) => items.iter().collect(),
            _ => Vec::new(),
        });
        let mut privileged =
            containers.flat_map(|one| one.below("securitycontext")).flat_map(|one| one.below("privileged"));
        self.below("hostpid").into_iter().any(|value| matches!(value, Self::True))
            || privileged.any(|value| matches!(value, Self::True))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_admitted_is_harmless_to_whoever_reads_it(members in prop::collection::vec(
        (prop::sample::select(vec!["hostPID", "HOSTPID", "hoſtPID", "containers", "Containers", "initContainers", "x"]), member()), 0..4)
    ) {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        let spec = format!("{{{}}}", members.join(", "));
        if told_of_spec(&spec).is_empty() {
            let loose: Loose = serde_json::from_str(&spec).expect("JSON");
            prop_assert!(!loose.is_dangerous(), "{}", spec);
        }
    }

    #[test]
    fn any_case_of_a_key_is_noticed(flips in prop::collection::vec(any::<bool>(), 20), place in 0_usize..6) {
        let keys = ["hostPID", "hostNetwork", "serviceAccountName", "containers", "volumes", "securityContext"];
        let value = ["true", "true", "\"admin\"", "[{\"securityContext\": {\"privileged\": true}}]",
            "[{\"hostPath\": {}}]", "{\"sysctls\": [{\"name\": \"kernel.msgmax\"}]}"][place];
        let flip = |(character, flip): (char, &bool)| match flip {
            true if character.is_ascii_uppercase() => character.to_ascii_lowercase(),
            true => character.to_ascii_uppercase(),
            false => character,
        };
        let key: String = keys[place].chars().zip(&flips).map(flip).collect();
        let spec = format!("{{\"{key}\": {value}}}");
        prop_assert_ne!(told_of_spec(&spec), "", "{}", spec);
    }
}
