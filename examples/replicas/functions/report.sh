#!/bin/sh
# Answers how many replicas were asked for.
set -eu

case $REPLICAS in
'' | *[!0-9]*)
  echo "report: replicas has to be a whole number, not '$REPLICAS'" >&2
  exit 1
  ;;
esac

echo "web is to have $REPLICAS replicas"

# An answer may be repeated, so it is tried again while the server is away.
curl -fsS --retry 5 --retry-connrefused --max-time 30 -o /dev/null -H 'Content-Type: text/plain' \
  --data-binary "web is to have $REPLICAS replicas" "$GITFAAS_URL/response/$FUNCTION_UID"
