"""Greets whoever the message names, and posts the greeting as its answer."""

import base64
import json
import os
import sys
import urllib.request


def name_in(message: str) -> str:
    """The `name` of a JSON object, else the text itself, else the world."""
    try:
        value = json.loads(message)
    except ValueError:
        value = message
    if isinstance(value, dict):
        value = value.get("name")
    return str(value or "").strip() or "world"


def main() -> None:
    # The message comes in base64, so that quotes and newlines arrive as they were sent.
    message = base64.b64decode(os.environ["MESSAGE"]).decode("utf-8", errors="replace")
    print("message =", message)

    greeting = f"Hello, {name_in(message)}!"
    print(greeting)

    # FUNCTION_UID is the right to answer for this run: nothing else is needed.
    answer = urllib.request.Request(
        f"{os.environ['GITFAAS_URL']}/response/{os.environ['FUNCTION_UID']}",
        data=json.dumps({"greeting": greeting, "request": os.environ["REQUEST_UUID"]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(answer, timeout=30):
            pass
    except OSError as error:
        sys.exit(f"hello: the answer was not taken: {error}")


if __name__ == "__main__":
    main()
