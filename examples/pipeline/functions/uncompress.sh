#!/bin/sh
# Second stage: uncompresses the message and publishes what was in it to the topic `convert`.
set -eu

# What a message may hold, 1 MiB: a small file that unpacks to gigabytes stops here.
MAX=1048576

fail() {
  echo "uncompress: $1" >&2
  exit 1
}

# curl into the file $1 with the run's right, which is handed over on stdin: arguments are there for everybody to see.
# What the server says to a request that it refuses goes to the log.
ask() {
  into=$1
  shift
  printf 'Authorization: Bearer %s\n' "$RUN_TOKEN" |
    curl -sS --fail-with-body --connect-timeout 10 --max-time 60 -o "$into" -H @- "$@" || {
    [ ! -s "$into" ] || { head -c 2000 "$into" && echo; } >&2
    return 1
  }
}

# The same for what may be repeated: a server that restarts is back long before.
ask_again() {
  ask "$@" --retry 5 --retry-connrefused
}

case $FILE in
'' | *[!A-Za-z0-9._-]*) fail "'$FILE' is no file name of letters, digits and ._-" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ask_again "$work/in.gz" "$MESSAGE_URL" || fail "the message could not be read"
gzip -t <"$work/in.gz" || fail "$FILE is not whole gzip data"
gzip -dc <"$work/in.gz" | head -c $((MAX + 1)) >"$work/out"

bytes_in=$(($(wc -c <"$work/in.gz")))
bytes_out=$(($(wc -c <"$work/out")))
[ "$bytes_out" -le "$MAX" ] || fail "$FILE is larger than $MAX bytes when uncompressed"

name=${FILE%.gz}
# Asked once only: a publish whose receipt got lost may have been accepted, and again would be a second message.
ask "$work/receipt" -H 'Content-Type: text/csv' --data-binary "@$work/out" "$GITFAAS_URL/publish/convert?file=$name" ||
  fail "$name could not be published to convert"
echo "$FILE: $bytes_in bytes in, $bytes_out bytes out"

printf '{"file": "%s", "bytesIn": %s, "bytesOut": %s}' "$name" "$bytes_in" "$bytes_out" >"$work/answer"
ask_again "$work/taken" -H 'Content-Type: application/json' --data-binary "@$work/answer" \
  "$GITFAAS_URL/response/$FUNCTION_UID" || fail "the answer was not taken"
