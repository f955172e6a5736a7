"""Requests and replies."""

import json
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    path: str
    query: list
    headers: dict
    body: bytes

    def form(self):
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return []
        return urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict = field(default_factory=dict)


def json_reply(status, value):
    return Reply(status, json.dumps(value).encode(), {"content-type": "application/json;charset=utf-8"})


def encode(text):
    """Everything but A-Z a-z 0-9 - _ . ~ becomes %XX."""
    return urllib.parse.quote(text, safe="-_.~")
