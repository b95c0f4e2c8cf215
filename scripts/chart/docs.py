#!/usr/bin/env python3
"""Writes docs/chart.md from the chart's values.yaml: each value, what stands above it, and its default.

  docs.py VALUES SCHEMA >docs/chart.md

Fails when a value has no comment, or is not in the schema, or the schema has one that is not there.
"""

import json
import sys

import yaml

HEAD = """# Values of the chart

<!-- written by `scripts/chart/check --docs` from charts/gitfaas/values.yaml; a test compares -->

What is in `charts/gitfaas`, and how it is installed, is told by [install](install.md). A name that is not here is
refused, and so is a value of the wrong kind.
"""


def comment(lines, line):
    """What stands right above a line."""
    said = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        said.insert(0, lines[line].lstrip().lstrip("#").strip())
    return " ".join(said)


def values(node, lines, path=()):
    """Each value in order: its path, what is said of it, and its default."""
    for key, value in node.value:
        here = (*path, key.value)
        said = comment(lines, key.start_mark.line)
        if said or not isinstance(value, yaml.MappingNode) or not value.value:
            if not said:
                sys.exit(f"values.yaml: {'.'.join(here)} has no comment")
            yield here, said, yaml.SafeLoader("").construct_object(value, deep=True)
        else:
            yield from values(value, lines, here)


def named(schema, path=()):
    """The values of the schema, as far as it says names."""
    if "properties" in schema and not schema.get("additionalProperties", True) and path[-1:] != ("resources",):
        for key, below in schema["properties"].items():
            yield from named(below, (*path, key))
    else:
        yield path


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    with open(sys.argv[2], encoding="utf-8") as file:
        schema = json.load(file)
    found = list(values(yaml.compose(text), text.splitlines()))
    apart = {path for path, _, _ in found} ^ (set(named(schema)) - {("global",)})
    if apart:
        sys.exit(f"in values.yaml or in values.schema.json alone: {', '.join('.'.join(path) for path in sorted(apart))}")
    print(HEAD)
    print("| value | what | default |\n| --- | --- | --- |")
    for path, said, default in found:
        shown = json.dumps(default, ensure_ascii=False)
        print(f"| `{'.'.join(path)}` | {said.replace('|', chr(92) + '|')} | `{shown}` |")


if __name__ == "__main__":
    main()
