# shellcheck shell=bash
# Kubernetes itself, from the source package of Debian 12: built once, kept in the cache.
#
# Debian packages its client only, but its source package is whole. It is built in GOPATH mode by Debian's Go.

BINARIES=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

# build: returns at once when it is built. Two at once: the second waits for the first. What an interrupted one left is
# removed by the next.
build() {
  ! is_built || return 0
  mkdir -p "$(dirname "$CACHE")"
  (
    flock 8
    is_built || build_locked
  ) 8>"$CACHE.lock"
}

# The folder appears whole, by a rename.
is_built() {
  [ -d "$CACHE/bin" ]
}

build_locked() {
  local work=$CACHE.building began=$SECONDS
  printf 'cluster: building Kubernetes %s, once; its log is %s/log\n' "$KUBERNETES" "$work"
  need go=golang-go make=make rsync=rsync jq=jq dpkg-source=dpkg-dev \
    /usr/share/gocode/src/github.com/modern-go/reflect2=golang-github-modern-go-reflect2-dev
  rm -rf "$work"
  mkdir -p "$work"
  fetch_source "$work" >"$work/log" 2>&1 || build_failed "$work/log"
  compile "$work" >>"$work/log" 2>&1 || build_failed "$work/log"
  rm -rf "$CACHE"
  mkdir -p "$CACHE"
  mv "$work/bin" "$CACHE/bin"
  rm -rf "$work"
  printf 'cluster: built after %d s, in %s\n' $((SECONDS - began)) "$CACHE"
}

build_failed() {
  tail -n 20 "$1" >&2
  fail "Kubernetes could not be built; see $1"
}

# fetch_source WORK: the machine's own package sources are left alone; the same mirror is asked for source packages, with
# lists of its own.
fetch_source() {
  local work=$1 mirror options
  mirror=$(debian_mirror) || return 1
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n' "$mirror" \
    >"$work/apt/sources.list"
  options=(-o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update -q=2 &&
    (cd "$work" && apt-get "${options[@]}" -q=2 source --download-only kubernetes) &&
    mkdir -p "$work/gopath/src/k8s.io/kubernetes" &&
    tar -xzf "$work"/kubernetes_*.orig.tar.gz -C "$work/gopath/src/k8s.io/kubernetes" --strip-components 1
}

# Where this machine gets Debian's packages from, in either format of a list of sources.
debian_mirror() {
  local mirror
  mirror=$(find /etc/apt -name '*.list' -o -name '*.sources' | sort | xargs -r cat |
    sed -nE 's#^(URIs:|deb( \[[^]]*\])?) *([a-z]+://[^ ]*/debian)/?( .*)?$#\3#p' | head -n 1)
  [ -n "$mirror" ] || { printf 'no mirror of Debian is in the lists of /etc/apt\n' >&2 && return 1; }
  printf '%s' "$mirror"
}

compile() {
  local work=$1 source=$1/gopath/src/k8s.io/kubernetes version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
  export GO111MODULE=off GOPATH=$work/gopath GOCACHE=$work/gocache CGO_ENABLED=0
  # Its own reflect2 1.0.1 crashes under load with Go 1.18 and later; Debian's is newer.
  rm -rf "$source/vendor/github.com/modern-go/reflect2"
  # The API server's OpenAPI code is made first.
  cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 "$source/vendor/github.com/modern-go/" &&
    mkdir "$work/bin" &&
    make -C "$source" generated_files &&
    (cd "$source" && go build -o "$work/bin/" \
      -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=20" \
      "${BINARIES[@]/#/k8s.io/kubernetes/cmd/}")
}
