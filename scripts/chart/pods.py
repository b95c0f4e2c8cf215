#!/usr/bin/env python3
"""Judges the pods that the chart makes, read as YAML from stdin: by the level `restricted` of the Pod Security Standards,
and by what is asked of every pod of ours beside that. Prints what is wrong, and fails then."""

import sys

import yaml

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def faults(pod):
    context = pod.get("securityContext", {})
    if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
        yield "is in a namespace of its host"
    if not context.get("runAsNonRoot") or context.get("runAsUser") == 0:
        yield "may be root"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if pod.get("enableServiceLinks") is not False:
        yield "has the addresses of all Services in its environment"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"has the volume {volume}"
    for container in pod.get("initContainers", []) + pod["containers"]:
        yield from (f"{container['name']} {fault}" for fault in container_faults(container))


def container_faults(container):
    context = container.get("securityContext", {})
    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
        yield "may gain rights"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if not context.get("readOnlyRootFilesystem"):
        yield "may write to its root"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "has a port of its host"
    if "memory" not in container.get("resources", {}).get("limits", {}):
        yield "has no limit of memory"


def main():
    wrong, pods = [], 0
    for found in yaml.safe_load_all(sys.stdin):
        if not found:
            continue
        spec = found if found["kind"] == "Pod" else found.get("spec", {}).get("template") or {}
        if "containers" in spec.get("spec", {}):
            pods += 1
            wrong += [f"{found['kind']} {found['metadata']['name']}: {fault}" for fault in faults(spec["spec"])]
    if not pods:
        wrong.append("there is no pod")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
