use rstest::rstest;

use super::*;
use PodPolicy::{Baseline, Off, Restricted};

#[test]
fn a_refusal_names_the_place_the_control_and_what_to_do() {
    let object = job(&with("containers[0].securityContext.privileged", json!(true)));
    let manifest = recorded("batch/v1", "Job", object.to_string());
    let refusal = admit(&Policy::default(), manifest).expect_err("a refusal");
    assert_eq!(
        refusal.to_string(),
        "by the pod policy `baseline` (Privileged Containers), \
         `spec.template.spec.containers[0].securityContext.privileged` must be false or left out \
         (change the template, or run the server with `--pod-policy off`)"
    );
    let object = job(&with("containers[0].securityContext.runAsUser", json!(0)));
    let manifest = recorded("batch/v1", "Job", object.to_string());
    let refusal = admit(&Policy::default().with_pods(Restricted), manifest).expect_err("a refusal");
    assert!(refusal.help.ends_with("`--pod-policy baseline`"), "{refusal}");
}

#[test]
fn an_ordinary_job_is_admitted_unless_pods_have_to_be_hardened() {
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}});
    assert_eq!((told(Off, &job(&pod)), told(Baseline, &job(&pod))), (String::new(), String::new()));
    assert_eq!(
        told(Restricted, &job(&pod)),
        "by the pod policy `restricted` (Running as Non-root), \
         `spec.template.spec.containers[0].securityContext.runAsNonRoot` must be true here or in the pod's own \
         securityContext; 3 more places break its rules"
    );
    assert_eq!(linted(Restricted, &job(&pod)).len(), 4);
}

#[test]
fn so_many_violations_that_nobody_reads_them_are_counted() {
    let containers = vec![json!({"securityContext": {"privileged": true}}); 50];
    let told = told(Baseline, &job(&json!({"spec": {"containers": containers}})));
    assert!(told.ends_with("; 49 more places break its rules"), "{told}");
}

#[test]
fn the_pod_hardens_its_containers_and_each_may_do_it_itself() {
    let container = json!({"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
    let pod = |context: Value| {
        job(
            &json!({"spec": {"containers": [container.clone()], "initContainers": [container.clone()], "securityContext": context}}),
        )
    };
    let hard = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(told(Restricted, &pod(hard)), "");
    let no_seccomp = told(Restricted, &pod(json!({"runAsNonRoot": true})));
    assert!(no_seccomp.contains("(Seccomp)") && no_seccomp.contains("; 1 more places"), "{no_seccomp}");
    // A pod that says no is not made right by its containers.
    let pod = with("securityContext.runAsNonRoot", json!(false));
    assert!(told(Restricted, &job(&pod)).contains("`spec.template.spec.securityContext.runAsNonRoot` must be true"));
}

#[test]
fn windows_pods_are_exempt_from_what_only_linux_knows() {
    let soft = json!({"runAsNonRoot": true, "capabilities": {"add": ["CHOWN"]}});
    let pod =
        |os: Value, context: &Value| job(&json!({"spec": {"os": os, "containers": [{"securityContext": context}]}}));
    assert_eq!(told(Restricted, &pod(json!({"name": "windows"}), &soft)), "");
    for os in [json!({"name": "linux"}), json!({"name": "Windows"}), json!({}), Value::Null] {
        assert!(told(Restricted, &pod(os.clone(), &soft)).ends_with("; 3 more places break its rules"), "{os}");
    }
    for context in [
        json!({"runAsNonRoot": true, "capabilities": {"add": ["SYS_ADMIN"]}}),
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "Unconfined"}}),
        json!({"runAsNonRoot": true, "windowsOptions": {"hostProcess": true}}),
        json!({"runAsNonRoot": false}),
        json!({"runAsNonRoot": true, "runAsUser": 0}),
    ] {
        assert_ne!(told(Restricted, &pod(json!({"name": "windows"}), &context)), "", "{context}");
    }
    let many = vec![json!({"securityContext": soft}); 50];
    assert_eq!(told(Restricted, &job(&json!({"spec": {"os": {"name": "windows"}, "containers": many}}))), "");
}

#[test]
fn user_namespaces_relax_nothing() {
    for (path, value) in [
        ("containers[0].securityContext.procMount", json!("Unmasked")),
        ("containers[0].securityContext.runAsUser", json!(0)),
        ("containers[0].securityContext.runAsNonRoot", json!(false)),
    ] {
        let mut pod = with(path, value);
        pod["spec"]["hostUsers"] = json!(false);
        assert_ne!(told(Restricted, &job(&pod)), "", "{path}");
    }
}

#[rstest]
#[case("container.apparmor.security.beta.kubernetes.io/a", "unconfined", "AppArmor")]
#[case("container.apparmor.security.beta.kubernetes.io/a", "docker/default", "AppArmor")]
#[case("seccomp.security.alpha.kubernetes.io/pod", "unconfined", "Seccomp")]
#[case("container.seccomp.security.alpha.kubernetes.io/a", "unconfined", "Seccomp")]
#[case("container.seccomp.security.alpha.kubernetes.io/a", "", "Seccomp")]
fn annotations_that_were_fields_once_are_looked_at(#[case] key: &str, #[case] value: &str, #[case] control: &str) {
    for (api_version, kind, way) in KINDS {
        let mut pod = hardened();
        pod["metadata"]["annotations"] = json!({"a": "b", key: value});
        let refused = object(api_version, kind, way, &pod);
        let begin = format!("by the pod policy `baseline` ({control}), `{way}metadata.annotations.");
        assert!(told(Baseline, &refused).starts_with(&begin), "{refused}\n{}", told(Baseline, &refused));
        assert_eq!(linted(Baseline, &refused), [told(Baseline, &refused)]);
        assert_eq!(told(Off, &refused), "");
        for fine in ["runtime/default", "localhost/own"] {
            pod["metadata"]["annotations"][key] = json!(fine);
            assert_eq!(told(Restricted, &object(api_version, kind, way, &pod)), "", "{kind} {key} {fine}");
        }
        pod["metadata"]["annotations"][key] = json!(["unconfined"]);
        assert!(told(Baseline, &object(api_version, kind, way, &pod)).contains("is no string"));
    }
    // An annotation of the Job is none of its pods.
    let mut own = job(&hardened());
    own["metadata"]["annotations"] = json!({key: value});
    assert_eq!(told(Baseline, &own), "");
}

#[test]
fn every_type_of_volume_for_functions_is_admitted() {
    for sort in [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ] {
        let pod = with("volumes", json!([{"name": "v", sort: {"a": "b"}}, {"name": "w"}]));
        assert_eq!(told(Restricted, &job(&pod)), "", "{sort}");
    }
}

#[rstest]
#[case("volcano.sh/v1", "Job")]
#[case("batch.volcano.sh/v1alpha1", "Job")]
#[case("apps.example.org/v1", "Deployment")]
#[case("v1", "ConfigMap")]
#[case("metrics.k8s.io/v1", "Pod")]
#[case("batch/v1", "Jobs")]
fn other_kinds_are_none_of_its_business(#[case] api_version: &str, #[case] kind: &str) {
    let pod = with("hostPID", json!(true));
    let mut object = object(api_version, kind, "spec.template.", &pod);
    object["Spec"] = json!(3);
    assert_eq!(told(Baseline, &object), "");
    assert!(linted(Baseline, &object).is_empty());
}

#[rstest]
#[case("BATCH/v1", "jOB")]
#[case(" batch/v1", "Job ")]
#[case("batch/v1/x", "Job")]
fn a_kind_spelled_oddly_does_not_slip_by(#[case] api_version: &str, #[case] kind: &str) {
    assert_ne!(told(Baseline, &object(api_version, kind, "spec.template.", &with("hostPID", json!(true)))), "");
}

#[test]
fn what_has_no_pods_is_admitted() {
    for (api_version, kind, way) in KINDS {
        for spec in [json!({}), Value::Null, json!({"template": null, "jobTemplate": {"spec": null}})] {
            let mut object = object(api_version, kind, way, &hardened());
            object["spec"] = spec;
            object["template"] = Value::Null;
            assert_eq!(told(Restricted, &object), "", "{object}");
        }
    }
}

#[test]
fn a_word_that_is_no_policy_is_an_error() {
    assert_eq!("restricted".parse(), Ok(Restricted));
    let error = "Baseline".parse::<PodPolicy>().expect_err("no policy");
    assert_eq!(error.to_string(), "a pod policy is `baseline`, `restricted` or `off`");
    assert_eq!(PodPolicy::ALL.map(|level| level.to_string()), ["baseline", "restricted", "off"]);
    assert_eq!(PodPolicy::default(), Baseline);
}
