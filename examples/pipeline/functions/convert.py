"""Last stage: turns a CSV file into statistics per column, as JSON, and answers with them."""

import csv
import io
import math
import os
import sys

import gitfaas


def number(text: str) -> "float | None":
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def statistics(values: "list[str]") -> dict:
    """What a column holds; it is a column of numbers when each value that is there is one."""
    present = [value for value in values if value != ""]
    known = {"count": len(present), "missing": len(values) - len(present)}
    numbers = [number(value) for value in present]
    if not numbers or None in numbers:
        return {"type": "text", **known, "distinct": len(set(present))}
    mean = math.fsum(numbers) / len(numbers)
    return {"type": "number", **known, "min": min(numbers), "max": max(numbers), "mean": round(mean, 3)}


def convert(name: str, content: bytes) -> dict:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        sys.exit(f"convert: {name} is no CSV in UTF-8: {error}")
    if not rows:
        sys.exit(f"convert: {name} has no header line")
    header, *rows = rows
    if len(set(header)) != len(header):
        sys.exit(f"convert: {name} has two columns of one name: {', '.join(header)}")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            sys.exit(f"convert: {name}: record {line} has {len(row)} fields, the header has {len(header)}")
    columns = {title: statistics([row[place] for row in rows]) for place, title in enumerate(header)}
    return {"file": name, "rows": len(rows), "columns": columns}


def main() -> None:
    name = os.environ["FILE"]
    result = convert(name, gitfaas.message())
    print(f"{name}: {result['rows']} rows, {len(result['columns'])} columns")
    gitfaas.answer(result)


if __name__ == "__main__":
    main()
