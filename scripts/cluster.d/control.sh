# shellcheck shell=bash
# The control plane: etcd, API server, controllers and scheduler, in the machine.

SERVICES=10.96.0
GATES=TTLAfterFinished=true,GenericEphemeralVolume=true

control_up() {
  keys
  kubeconfig
  export KUBECONFIG=$RUN/kubeconfig
  start_etcd
  start_apiserver
  start_controllers
  start_scheduler
  printf 'export KUBECONFIG=%q GITFAAS_E2E_HOST=%q\n' "$RUN/kubeconfig" "$HOST" >"$RUN/env"
  # A proxy between here and there would only be in the way.
  # shellcheck disable=SC2016
  printf 'export NO_PROXY="${NO_PROXY:+$NO_PROXY,}%s,%s"\n' "$ADDRESS" "$HOST" >>"$RUN/env"
}

# keys: an authority, the server's certificate, an administrator's, and the pair that service accounts are signed with.
keys() {
  local keys=$RUN/keys
  mkdir -m 700 "$keys"
  {
    openssl ecparam -genkey -name prime256v1 -noout -out "$keys/accounts.key" &&
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$keys/authority.key" \
        -out "$keys/authority.crt" -subj /CN=gitfaas-tests -days 30 &&
      certificate server /CN=kube-apiserver \
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:$SERVICES.1,IP:$ADDRESS" &&
      certificate admin /O=system:masters/CN=admin DNS:admin
  } 2>"$RUN/openssl.log" || fail "the certificates could not be made; see $RUN/openssl.log"
}

# certificate NAME SUBJECT ALTERNATIVE_NAMES
certificate() {
  local keys=$RUN/keys
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$keys/$1.key" \
    -out "$keys/$1.csr" -subj "$2" &&
    openssl x509 -req -in "$keys/$1.csr" -CA "$keys/authority.crt" -CAkey "$keys/authority.key" \
      -CAcreateserial -out "$keys/$1.crt" -days 30 -extfile <(printf 'subjectAltName=%s' "$3")
}

kubeconfig() {
  local config=(kubectl config --kubeconfig "$RUN/kubeconfig")
  {
    "${config[@]}" set-cluster gitfaas --server "https://$ADDRESS:6443" \
      --certificate-authority "$RUN/keys/authority.crt" --embed-certs
    "${config[@]}" set-credentials admin --client-certificate "$RUN/keys/admin.crt" \
      --client-key "$RUN/keys/admin.key" --embed-certs
    "${config[@]}" set-context gitfaas --cluster gitfaas --user admin
    "${config[@]}" use-context gitfaas
  } >/dev/null
}

# Without it no pod is admitted to the namespace.
control_done() {
  until_true "the namespace default has its service account" 60 controllers \
    kubectl get serviceaccount default --namespace default
}

start_etcd() {
  local flags
  read -ra flags <<<"$ETCD_FLAGS"
  launch etcd etcd --data-dir "$RUN/etcd" --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
    --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380 "${flags[@]}"
  until_true "etcd answers" 30 etcd inside curl -sf --noproxy '*' http://127.0.0.1:2379/health
}

start_apiserver() {
  local flags keys=$RUN/keys
  read -ra flags <<<"$APISERVER_FLAGS"
  launch apiserver "$CACHE/bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 \
    --advertise-address="$ADDRESS" --tls-cert-file="$keys/server.crt" --tls-private-key-file="$keys/server.key" \
    --client-ca-file="$keys/authority.crt" --service-account-issuer=https://kubernetes.default.svc \
    --service-account-signing-key-file="$keys/accounts.key" --service-account-key-file="$keys/accounts.key" \
    --authorization-mode=Node,RBAC --service-cluster-ip-range="$SERVICES.0/24" --allow-privileged=true \
    --kubelet-client-certificate="$keys/admin.crt" --kubelet-client-key="$keys/admin.key" \
    --kubelet-preferred-address-types=InternalIP --feature-gates="$GATES" "${flags[@]}"
  until_true "the API server is ready" 60 apiserver kubectl get --raw /readyz --request-timeout 2s
}

start_controllers() {
  launch controllers "$CACHE/bin/kube-controller-manager" --kubeconfig="$RUN/kubeconfig" --leader-elect=false --port=0 \
    --service-account-private-key-file="$RUN/keys/accounts.key" --root-ca-file="$RUN/keys/authority.crt" \
    --use-service-account-credentials=true --enable-hostpath-provisioner=true --cert-dir="$RUN/keys/controllers" \
    --feature-gates="$GATES"
}

start_scheduler() {
  launch scheduler "$CACHE/bin/kube-scheduler" --kubeconfig="$RUN/kubeconfig" --leader-elect=false --port=0 \
    --cert-dir="$RUN/keys/scheduler" --feature-gates="$GATES"
}
