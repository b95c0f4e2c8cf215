"""What a function says to gitfaas: give me my message, publish this, here is my answer.

It is told where and with which right by its environment (see the manifests beside this folder). What fails ends the
program with a sentence on stderr, so that the Job's `backoffLimit` decides whether there is another attempt.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# For what may be repeated: a server that restarts is back long before.
WAITS = (0.5, 1, 2, 4, 8)
PASSING = (429, 502, 503, 504)


def message() -> bytes:
    """The payload of this run's message, as it was published."""
    return _ask(_request(os.environ["MESSAGE_URL"]), WAITS)


def publish(topic: str, payload: bytes, content_type: str, **params: str) -> str:
    """Publishes a message as a child of this run, and returns its request id.

    Asked once only: a publish whose receipt got lost on the way may have been accepted, and asking again would make a
    second message.
    """
    url = f"{os.environ['GITFAAS_URL']}/publish/{urllib.parse.quote(topic, safe='')}"
    query = urllib.parse.urlencode(params)
    return json.loads(_ask(_request(f"{url}?{query}", payload, content_type)))["requestUid"]


def answer(value: object) -> None:
    """Posts this run's answer. Repeating it is harmless: the newest counts."""
    url = f"{os.environ['GITFAAS_URL']}/response/{os.environ['FUNCTION_UID']}"
    _ask(_request(url, json.dumps(value).encode(), "application/json"), WAITS)


def _request(url: str, data: "bytes | None" = None, content_type: str = "") -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {os.environ['RUN_TOKEN']}"}
    if data is not None:
        headers["Content-Type"] = content_type
    return urllib.request.Request(url, data=data, headers=headers)


def _ask(request: urllib.request.Request, waits: "tuple[float, ...]" = ()) -> bytes:
    """Sends the request, and again after each of `waits` while what went wrong may pass."""
    for wait in (*waits, None):
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            if wait is None or error.code not in PASSING:
                sys.exit(_said(request, error))
        except (OSError, http.client.HTTPException) as error:
            if wait is None:
                sys.exit(f"{request.get_method()} {_place(request)}: {error}")
        time.sleep(wait)
    raise AssertionError("the last round returns or exits")


def _said(request: urllib.request.Request, error: urllib.error.HTTPError) -> str:
    body = error.read(2000).decode("utf-8", errors="replace").strip()
    return f"{request.get_method()} {_place(request)}: {error.code} {error.reason}: {body}"


def _place(request: urllib.request.Request) -> str:
    # An answer's path ends with the right to answer, which has no place in a log.
    path = urllib.parse.urlsplit(request.full_url).path
    return "/response/…" if path.startswith("/response/") else path
