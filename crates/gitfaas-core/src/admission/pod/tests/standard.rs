use std::collections::BTreeSet;

use super::*;
use PodPolicy::{Baseline, Restricted};

/// A control at one place of the pod. A path that begins with `*` is one of every container.
#[derive(Clone)]
struct Rule {
    control: &'static str,
    level: PodPolicy,
    path: &'static str,
    /// What is forbidden there, and where it is said to be, if that is deeper.
    forbidden: Vec<Value>,
    said: &'static str,
    allowed: Vec<Value>,
}

fn rule(
    control: &'static str,
    level: PodPolicy,
    path: &'static str,
    forbidden: impl Into<Vec<Value>>,
    allowed: impl Into<Vec<Value>>,
) -> Rule {
    Rule { control, level, path, forbidden: forbidden.into(), said: path, allowed: allowed.into() }
}

fn flag(control: &'static str, path: &'static str) -> Rule {
    rule(control, Baseline, path, [json!(true)], [json!(false), Value::Null])
}

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn hosts() -> Vec<Rule> {
    let mut rules = vec![
        flag("HostProcess", "securityContext.windowsOptions.hostProcess"),
        flag("HostProcess", "*.securityContext.windowsOptions.hostProcess"),
        flag("Host Namespaces", "hostNetwork"),
        flag("Host Namespaces", "hostPID"),
        flag("Host Namespaces", "hostIPC"),
        flag("Privileged Containers", "*.securityContext.privileged"),
        rule("HostPath Volumes", Baseline, "volumes[1].hostPath", [json!({"path": "/"}), json!({})], [Value::Null]),
        rule("Host Ports", Baseline, "*.ports[0].hostPort", [json!(80), json!(-1)], [json!(0), Value::Null]),
    ];
    for path in [
        "*.livenessProbe.httpGet.host",
        "*.readinessProbe.httpGet.host",
        "*.startupProbe.httpGet.host",
        "*.livenessProbe.tcpSocket.host",
        "*.readinessProbe.tcpSocket.host",
        "*.startupProbe.tcpSocket.host",
        "*.lifecycle.postStart.httpGet.host",
        "*.lifecycle.preStop.httpGet.host",
        "*.lifecycle.postStart.tcpSocket.host",
        "*.lifecycle.preStop.tcpSocket.host",
    ] {
        let forbidden = [json!("127.0.0.1"), json!(" ")];
        rules.push(rule("Host Probes / Lifecycle Hooks", Baseline, path, forbidden, [json!(""), Value::Null]));
    }
    rules
}

fn profiles() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (pod, container) in [
        ("securityContext.appArmorProfile.type", "*.securityContext.appArmorProfile.type"),
        ("securityContext.seccompProfile.type", "*.securityContext.seccompProfile.type"),
    ] {
        let control = if pod.contains("seccomp") { "Seccomp" } else { "AppArmor" };
        for path in [pod, container] {
            let forbidden = [json!("Unconfined"), json!("runtimedefault"), json!("")];
            rules.push(rule(control, Baseline, path, forbidden, [json!("RuntimeDefault"), json!("Localhost")]));
        }
    }
    for place in ["securityContext.seLinuxOptions", "*.securityContext.seLinuxOptions"] {
        let path = |key: &str| -> &'static str { format!("{place}.{key}").leak() };
        let types = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
        let types: Vec<Value> = types.map(Value::from).into_iter().chain([Value::Null]).collect();
        rules.push(rule("SELinux", Baseline, path("type"), [json!("spc_t"), json!("container_T")], types));
        for key in ["user", "role"] {
            rules.push(rule("SELinux", Baseline, path(key), [json!("sysadm")], [json!(""), Value::Null]));
        }
    }
    rules.push(rule(
        "/proc Mount Type",
        Baseline,
        "*.securityContext.procMount",
        [json!("Unmasked"), json!("")],
        [json!("Default"), Value::Null],
    ));
    rules
}

fn kernel() -> Vec<Rule> {
    let safe = [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_notsent_lowat",
    ];
    let unsafe_ones = ["kernel.msgmax", "net.core.somaxconn", "net/ipv4/tcp_syncookies", ""].map(Value::from);
    let accounts = |path| {
        rule("Service Accounts", Baseline, path, [json!("admin"), json!("Default")], [json!("default"), json!("")])
    };
    vec![
        rule("Sysctls", Baseline, "securityContext.sysctls[0].name", unsafe_ones, safe.map(Value::from)),
        accounts("serviceAccountName"),
        accounts("serviceAccount"),
        Rule {
            said: "*.securityContext.capabilities.add[0]",
            ..rule(
                "Capabilities",
                Baseline,
                "*.securityContext.capabilities.add",
                ["ALL", "NET_RAW", "SYS_ADMIN", "CAP_CHOWN", "net_admin", ""].map(|one| json!([one])),
                [json!([]), Value::Null, json!(["NET_BIND_SERVICE"])],
            )
        },
        Rule {
            said: "*.securityContext.capabilities.add[0]",
            ..rule(
                "Capabilities",
                Restricted,
                "*.securityContext.capabilities.add",
                DEFAULT_CAPABILITIES
                    .into_iter()
                    .filter(|one| *one != "NET_BIND_SERVICE")
                    .map(|one| json!([one]))
                    .collect::<Vec<_>>(),
                [json!(["NET_BIND_SERVICE"])],
            )
        },
    ]
}

fn volumes() -> Vec<Rule> {
    let volumes = |sort: &str, level: PodPolicy| -> Rule {
        let path: &'static str = format!("volumes[1].{sort}").leak();
        let said = "volumes[1]";
        Rule { said, ..rule("Volume Types", level, path, [json!({"a": "b"}), json!({})], [Value::Null]) }
    };
    let forbidden = [
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "gitRepo",
        "nfs",
        "iscsi",
        "glusterfs",
        "rbd",
        "flexVolume",
        "cinder",
        "cephfs",
        "flocker",
        "fc",
        "azureFile",
        "azureDisk",
        "vsphereVolume",
        "quobyte",
        "portworxVolume",
        "scaleIO",
        "storageos",
        "photonPersistentDisk",
        "whatever",
    ];
    forbidden.into_iter().map(|sort| volumes(sort, Restricted)).collect()
}

fn hardening() -> Vec<Rule> {
    let context = "*.securityContext";
    let path = |key: &str| -> &'static str { format!("{context}.{key}").leak() };
    vec![
        rule(
            "Privilege Escalation",
            Restricted,
            path("allowPrivilegeEscalation"),
            [json!(true), Value::Null],
            [json!(false)],
        ),
        rule("Running as Non-root", Restricted, path("runAsNonRoot"), [json!(false), Value::Null], [json!(true)]),
        rule(
            "Running as Non-root",
            Restricted,
            "securityContext.runAsNonRoot",
            [json!(false)],
            [json!(true), Value::Null],
        ),
        rule(
            "Running as Non-root user",
            Restricted,
            path("runAsUser"),
            [json!(0)],
            [json!(1), json!(65_534), Value::Null],
        ),
        rule("Running as Non-root user", Restricted, "securityContext.runAsUser", [json!(0)], [json!(1), Value::Null]),
        Rule {
            said: path("seccompProfile.type"),
            ..rule(
                "Seccomp",
                Restricted,
                path("seccompProfile"),
                [Value::Null, json!({}), json!({"type": null})],
                [json!({"type": "Localhost"})],
            )
        },
        rule(
            "Capabilities",
            Restricted,
            path("capabilities.drop"),
            [json!([]), Value::Null, json!(["all"]), json!(["CHOWN", "KILL"])],
            [json!(["ALL"]), json!(["CHOWN", "ALL"])],
        ),
    ]
}

/// The same rule for each place it is about.
fn places(path: &str) -> Vec<String> {
    match path.strip_prefix('*') {
        Some(rest) => LISTS.iter().map(|list| format!("{list}[0]{rest}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// Checks each rule in every kind and at every policy.
fn check(rules: &[Rule]) {
    for rule in rules {
        for (path, said) in places(rule.path).into_iter().zip(places(rule.said)) {
            for (api_version, kind, way) in KINDS {
                let make = |value: &Value| object(api_version, kind, way, &with(&path, value.clone()));
                for value in &rule.forbidden {
                    refused(rule, &make(value), &format!("`{way}spec.{said}` "));
                }
                foretold(&make(&rule.forbidden[0]));
                for value in &rule.allowed {
                    let object = make(value);
                    assert_eq!(
                        (told(Restricted, &object), told(Baseline, &object)),
                        (String::new(), String::new()),
                        "{object}"
                    );
                }
            }
        }
    }
}

/// The object breaks the rule and no other, at the policies that have it.
fn refused(rule: &Rule, object: &Value, place: &str) {
    for pods in PodPolicy::ALL {
        let told = told(pods, object);
        let begin = format!("by the pod policy `{pods}` ({}), {place}", rule.control);
        let right = if pods != PodPolicy::Off && pods >= rule.level {
            told.starts_with(&begin) && !told.contains("more places")
        } else {
            told.is_empty()
        };
        assert!(right, "{pods} {object}\n{told}\n{begin}");
    }
}

/// Before any message the same is said of the template as of the object.
fn foretold(object: &Value) {
    for pods in PodPolicy::ALL {
        let told = told(pods, object);
        assert_eq!(linted(pods, object), if told.is_empty() { vec![] } else { vec![told] }, "{pods} {object}");
    }
}

#[test]
fn what_reaches_the_host_is_refused_in_every_kind() {
    check(&hosts());
}

#[test]
fn profiles_that_confine_nothing_are_refused_in_every_kind() {
    check(&profiles());
}

#[test]
fn capabilities_sysctls_and_service_accounts_are_refused_in_every_kind() {
    check(&kernel());
}

#[test]
fn volumes_of_other_types_are_refused_in_every_kind() {
    check(&volumes());
}

#[test]
fn restricted_pods_have_to_be_hardened_in_every_kind() {
    check(&hardening());
}

#[test]
fn every_control_of_the_standards_is_checked() {
    let rules = [hosts(), profiles(), kernel(), volumes(), hardening()].concat();
    let of = |level: PodPolicy| -> BTreeSet<&str> {
        rules.iter().filter(|rule| rule.level == level).map(|rule| rule.control).collect()
    };
    let baseline = [
        "HostProcess",
        "Host Namespaces",
        "Privileged Containers",
        "Capabilities",
        "HostPath Volumes",
        "Host Ports",
        "Host Probes / Lifecycle Hooks",
        "AppArmor",
        "SELinux",
        "/proc Mount Type",
        "Seccomp",
        "Sysctls",
        "Service Accounts",
    ];
    let restricted = [
        "Volume Types",
        "Privilege Escalation",
        "Running as Non-root",
        "Running as Non-root user",
        "Seccomp",
        "Capabilities",
    ];
    assert_eq!((of(Baseline), of(Restricted)), (baseline.into(), restricted.into()));
}

#[test]
fn a_hardened_pod_is_admitted_in_every_kind() {
    for (api_version, kind, way) in KINDS {
        let object = object(api_version, kind, way, &hardened());
        for pods in PodPolicy::ALL {
            assert_eq!(told(pods, &object), "", "{pods} {object}");
        }
    }
}
