# shellcheck shell=bash
# Images, made of what is installed on this machine and handed to the node: no registry has a part in it.

# The names that the tests use, and those that stand in the examples.
own_images() {
  local example
  example=$(realpath "$PARTS/../../examples/pipeline")
  load_image localhost/pause:1 --busybox --entrypoint '["/bin/sleep", "infinity"]'
  load_image localhost/busybox:1 --busybox --entrypoint '["/bin/sh"]'
  # What the pipeline runs in: its functions beside an interpreter, curl and gzip.
  load_image python:3.13-slim --name curlimages/curl:8.16.0 --name localhost/python:1 --busybox \
    --program /usr/bin/python3 --python --program /usr/bin/curl --program /usr/bin/gzip \
    --add "/work=$example" --workdir /work
}

# load_image NAME OPTION…: see image.py.
load_image() {
  local archive=$RUN/image.tar
  /usr/bin/python3 "$PARTS/image.py" "$archive" "$@"
  ctr_inside images import "$archive" >/dev/null
  rm "$archive"
}
