# shellcheck shell=bash
# The machine that a cluster thinks it is alone on: a network and a mount namespace, held by a process that only sleeps,
# and linked to this machine by a pair of interfaces. All that a node makes (bridges, packet filter rules, mounts) is made
# in there, and is gone with the last process in it.

# machine_up: makes it, and settles where it is reached.
machine_up() {
  MACHINE=none
  setsid unshare --net --mount --propagation private sleep infinity </dev/null >"$RUN/machine.log" 2>&1 &
  echo $! >"$RUN/machine.pid"
  disown
  until_true "the machine has namespaces of its own" 10 machine has_own_namespaces
  BOOT=$(</proc/sys/kernel/random/boot_id)
  MACHINE=$(namespace_of "$(<"$RUN/machine.pid")")
  # The name is nobody else's: a process number is given again, but not with the same time of start.
  CGROUP=gitfaas-$(<"$RUN/machine.pid")-$(cut -d ' ' -f 22 "/proc/$(<"$RUN/machine.pid")/stat")
  ETCD_FLAGS=${GITFAAS_CLUSTER_ETCD_FLAGS:-}
  APISERVER_FLAGS=${GITFAAS_CLUSTER_APISERVER_FLAGS:-}
  link_up 8>/run/lock/gitfaas-cluster
  save_settings
  # Shared among the parts, as kubelet and containers want it, and with nobody outside.
  inside mount --make-rshared /
}

has_own_namespaces() {
  local of_machine
  of_machine=$(namespace_of "$(<"$RUN/machine.pid")")
  [ -n "$of_machine" ] && [ "$of_machine" != "$(namespace_of $$)" ]
}

# namespace_of PID: the mount namespace that a process is in; nothing when there is no such process.
namespace_of() {
  readlink "/proc/$1/ns/mnt" || true
}

# One after the other: two clusters that come up at once must not take the same network.
link_up() {
  flock 8
  local number network=${GITFAAS_CLUSTER_NET:-10.213}
  for ((number = 0; number < 256; number++)); do
    [ -n "$(ip -4 addr show to "$network.$number.0/30")" ] || [ -e "/sys/class/net/gitfaas$number" ] || break
  done
  [ "$number" -lt 256 ] || fail "no network $network.N.0/30 is free"
  LINK=gitfaas$number
  HOST=$network.$number.1
  ADDRESS=$network.$number.2
  ip link add "$LINK" type veth peer name uplink netns "$(<"$RUN/machine.pid")"
  ip addr add "$HOST/30" dev "$LINK"
  ip link set "$LINK" up
  inside ip link set lo up
  inside ip addr add "$ADDRESS/30" dev uplink
  inside ip link set uplink up
}

# What a verb has to know of the cluster that `up` made.
save_settings() {
  declare -p BOOT MACHINE CGROUP LINK HOST ADDRESS ETCD_FLAGS APISERVER_FLAGS |
    sed 's/^declare --/declare -g/' >"$RUN/settings"
}

# It may be one that `up` did not get far with.
load_settings() {
  MACHINE=none
  [ -e "$RUN/settings" ] || return 0
  # shellcheck disable=SC1091
  . "$RUN/settings"
  # Namespaces are numbered anew after each start of this machine.
  [ "$BOOT" = "$(</proc/sys/kernel/random/boot_id)" ] || MACHINE=none
}

# inside COMMAND…: in the machine.
inside() {
  nsenter --target "$(<"$RUN/machine.pid")" --net --mount -- "$@"
}

# launch PART COMMAND…: in the machine, in the background. Its process is the command's own: nsenter becomes it.
launch() {
  local part=$1
  shift
  setsid nsenter --target "$(<"$RUN/machine.pid")" --net --mount -- "$@" </dev/null >>"$RUN/$part.log" 2>&1 &
  echo $! >"$RUN/$part.pid"
  disown
}

# running PART: a process number that meanwhile belongs to somebody else is in another namespace.
running() {
  [ -e "$RUN/$1.pid" ] && [ "$(namespace_of "$(<"$RUN/$1.pid")")" = "$MACHINE" ]
}

stop() {
  running "$1" || return 0
  local pid deadline=$((SECONDS + 5))
  pid=$(<"$RUN/$1.pid")
  kill "$pid"
  # A paused process hears of it when it goes on. Others may have ended already.
  kill -CONT "$pid" 2>/dev/null || true
  while running "$1"; do
    [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
}

# until_true WHAT SECONDS PART COMMAND…: waits until COMMAND succeeds, for as long as PART lives and time is left.
until_true() {
  local what=$1 seconds=$2 part=$3 deadline=$((SECONDS + $2))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$(<"$RUN/$part.pid")" 2>/dev/null; then
      tail -n 20 "$RUN/$part.log" >&2
      fail "$part ended before $what; see $RUN/$part.log"
    elif [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$RUN/$part.log" >&2
      fail "not within $seconds s: $what; see $RUN/$part.log"
    fi
    sleep 0.1
  done
}

# end_everything: every process of the cluster is in its machine or, as a container, below its control group. What holds
# the machine comes last.
end_everything() {
  local pids deadline=$((SECONDS + 30))
  while mapfile -t pids < <(processes_of_cluster) && [ ${#pids[@]} -gt 0 ]; do
    [ "$SECONDS" -lt "$deadline" ] || fail "these processes do not end: ${pids[*]}"
    kill -KILL "${pids[@]}" 2>/dev/null || true
    sleep 0.1
  done
  while [ -n "$(control_groups)" ] && [ "$SECONDS" -lt "$deadline" ]; do
    control_groups | xargs rmdir 2>/dev/null || sleep 0.1
  done
  if running machine; then
    stop machine
    # It goes with the namespace, a moment later.
    while ip link show "${LINK:-none}" >/dev/null 2>&1 && [ "$SECONDS" -lt "$deadline" ]; do
      sleep 0.1
    done
  fi
}

# What ends while it is looked at is no error.
processes_of_cluster() {
  if anything_runs; then
    find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/ns/mnt' -lname "${MACHINE//[/\\[}" 2>/dev/null |
      cut -d / -f 3 | grep -vxF "$(<"$RUN/machine.pid")" || true
  fi
  control_groups | sed 's#$#/cgroup.procs#' | xargs -r cat 2>/dev/null | sort -un || true
}

# While one of its processes lives, the number of its namespace is nobody else's.
anything_runs() {
  local pid
  for pid in "$RUN"/*.pid; do
    if running "$(basename "$pid" .pid)"; then
      return
    fi
  done
  return 1
}

# The deepest first.
control_groups() {
  find /sys/fs/cgroup -depth -type d \( -path "*/${CGROUP:-none}" -o -path "*/${CGROUP:-none}/*" \) 2>/dev/null || true
}
