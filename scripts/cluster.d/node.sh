# shellcheck shell=bash
# The node: containerd and runc run the pods, kubelet says which, kube-proxy makes Services of them.
#
# There is no DNS: pods are told addresses. Names resolve to nothing, at once.

NODE=node
PODS=10.244.0

need_for_node() {
  need containerd=containerd runc=runc /usr/lib/cni/bridge=containernetworking-plugins iptables=iptables \
    conntrack=conntrack busybox=busybox-static python3=python3
}

node_up() {
  own_folders
  control_group
  pod_network
  start_containerd
  own_images
  start_kubelet
  start_proxy
  storage_classes
}

node_done() {
  until_true "the node is ready" 60 kubelet node_is_ready
  # The images that the examples name have the examples in them, and more can be made.
  printf 'export GITFAAS_E2E_EXAMPLES=1 GITFAAS_E2E_CLUSTER=%q\n' "$RUN" >>"$RUN/env"
}

# Where the parts write to places that are fixed in them, they find folders of this cluster there.
own_folders() {
  local place folder
  for place in /var/lib/kubelet /var/log/{pods,containers} /var/lib/cni /tmp/hostpath_pv /run/{netns,containerd}; do
    folder=$RUN/node$place
    mkdir -p "$place" "$folder"
    inside mount --bind "$folder" "$place"
  done
}

# control_group: below it are all pods. Kubelet ends what it does not know below its own, so each has one of its own.
control_group() {
  local controllers
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    controllers=$(sed -E 's/(\w+)/+\1/g' /sys/fs/cgroup/cgroup.controllers)
    printf '%s' "$controllers" >/sys/fs/cgroup/cgroup.subtree_control ||
      fail "control groups cannot be divided here: this machine's are not its own"
    mkdir "/sys/fs/cgroup/$CGROUP"
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -exec mkdir -p {}/"$CGROUP" \;
  fi
}

# pod_network: a bridge. What leaves it has the machine's address, so nobody outside needs to know the pods' network.
pod_network() {
  mkdir -p "$RUN/cni"
  cat >"$RUN/cni/10-bridge.conflist" <<CONFLIST
{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$PODS.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
CONFLIST
  inside sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

start_containerd() {
  # Without restrict_oom_score_adj runc fails where this machine is a container itself and may not lower that score.
  cat >"$RUN/containerd.toml" <<TOML
version = 2
root = "$RUN/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/cni"
TOML
  launch containerd containerd --config "$RUN/containerd.toml"
  until_true "containerd answers" 30 containerd containerd_is_ready
}

containerd_is_ready() {
  ctr_inside plugins ls id==cri | grep -q ' ok'
}

ctr_inside() {
  inside ctr --namespace k8s.io "$@"
}

start_kubelet() {
  cat >"$RUN/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $RUN/keys/authority.crt}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
clusterDNS: ["$PODS.1"]
clusterDomain: cluster.local
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi}
failSwapOn: false
featureGates: {GenericEphemeralVolume: true}
imageGCHighThresholdPercent: 100
maxPods: 200
nodeStatusUpdateFrequency: 1s
serializeImagePulls: false
YAML
  launch kubelet "$CACHE/bin/kubelet" --config="$RUN/kubelet.yaml" --kubeconfig="$RUN/kubeconfig" \
    --hostname-override="$NODE" --node-ip="$ADDRESS" --container-runtime=remote \
    --container-runtime-endpoint=unix:///run/containerd/containerd.sock
}

start_proxy() {
  launch proxy "$CACHE/bin/kube-proxy" --kubeconfig="$RUN/kubeconfig" --hostname-override="$NODE" --masquerade-all \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}

# Volumes are folders of the machine: by default, and under the name that the README of the Python gitfaas has.
storage_classes() {
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: csi-cinder-high-speed}
provisioner: kubernetes.io/host-path
YAML
}

node_is_ready() {
  kubectl get node "$NODE" --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}
