"""First stage: publishes each file that the message asks for to the topic `uncompress`.

The message is `{"folder": "data"}`, which means every `.csv.gz` in it, or `{"files": ["data/harbour.csv.gz", …]}`.
"""

import base64
import json
import os
import pathlib
import re
import sys

import gitfaas

ROOT = pathlib.Path.cwd().resolve()


def inside(path: object) -> pathlib.Path:
    """A path below the working folder: a message must not name any other."""
    if not isinstance(path, str):
        sys.exit(f"collect: {path!r} is no path; write it as a string")
    resolved = (ROOT / path).resolve()
    if resolved != ROOT and ROOT not in resolved.parents:
        sys.exit(f"collect: {path} is outside the working folder")
    return resolved


def wanted(message: bytes) -> "list[pathlib.Path]":
    try:
        asked = json.loads(message)
    except ValueError as error:
        sys.exit(f"collect: the message is no JSON: {error}")
    if isinstance(asked, dict) and isinstance(asked.get("files"), list):
        files = [inside(file) for file in asked["files"]]
    elif isinstance(asked, dict) and "folder" in asked:
        files = sorted(inside(asked["folder"]).glob("*.csv.gz"))
    else:
        sys.exit('collect: the message has to be {"folder": "…"} or {"files": ["…"]}')
    if not files:
        sys.exit("collect: there is no .csv.gz file to collect")
    return files


def read(file: pathlib.Path) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", file.name):
        sys.exit(f"collect: {file.name!r} is no file name of letters, digits and ._-")
    try:
        return file.read_bytes()
    except OSError as error:
        sys.exit(f"collect: {error}")


def main() -> None:
    files = wanted(base64.b64decode(os.environ["MESSAGE"]))
    # Everything is read before anything is published: an attempt that cannot finish then leaves nothing half done.
    contents = [(file.name, read(file)) for file in files]
    for name, content in contents:
        request = gitfaas.publish("uncompress", content, "application/gzip", file=name)
        print(f"{name}: {len(content)} bytes, request {request}", flush=True)
    gitfaas.answer({"files": len(contents), "bytes": sum(len(content) for _, content in contents)})


if __name__ == "__main__":
    main()
