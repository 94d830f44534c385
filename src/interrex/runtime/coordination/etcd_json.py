"""The election's questions as etcd's JSON gateway takes them, and its answers back: pure words.

Keys and values travel in base64, 64-bit numbers as texts, and what is zero or false is left out.

Source: etcd's "gRPC gateway" page and rpc.proto, version 3.
"""

from base64 import b64decode, b64encode
from typing import Any, assert_never

import msgspec

from interrex.elections.etcd.keys import EVERYTHING
from interrex.elections.etcd.questions import (
    Answer,
    Certainty,
    Changed,
    Compare,
    Delete,
    Event,
    Failed,
    Get,
    Grant,
    Granted,
    KeepAlive,
    Kept,
    KeyValue,
    LeaseGone,
    Operation,
    Put,
    Question,
    Revoke,
    Revoked,
    Transact,
    Transacted,
    Watch,
    WatchLost,
)

NOT_FOUND, UNAUTHENTICATED = 5, 16
REFUSALS = {3, 7, 16}
"""gRPC's codes for who is not let in: etcd says "invalid argument" to who shows a wrong password or
no user."""
_UNKNOWN_OUTCOMES = {1, 2, 4, 13, 14, 15}
"""gRPC's codes that do not say whether anything was done: cancelled, unknown, deadline exceeded,
internal, unavailable, data loss."""

NONSENSE = (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)
"""What reading an answer raises that is none of etcd's."""

encode_body = msgspec.json.Encoder().encode
decode_body = msgspec.json.Decoder().decode
"""Raises msgspec.MsgspecError when the bytes are no JSON."""


class Refused(Exception):  # noqa: N818
    """An endpoint answered with an error; ``body`` says which."""

    def __init__(self, body: Any) -> None:
        super().__init__(str(body))
        self.body = body


class Words:
    """Translates for one cluster, whose keys lie under ``folder``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    # Questions

    def request(self, question: Question) -> tuple[str, dict[str, Any]]:
        """The path and the body that ask a question."""
        match question:
            case Grant(lease, ttl_s):
                return "/v3/lease/grant", {"ID": str(lease), "TTL": str(ttl_s)}
            case KeepAlive(lease):
                return "/v3/lease/keepalive", {"ID": str(lease)}
            case Revoke(lease):
                return "/v3/lease/revoke", {"ID": str(lease)}
            case Transact(compares, success, failure):
                return "/v3/kv/txn", {
                    "compare": [self._compare(one) for one in compares],
                    "success": [self._operation(one) for one in success],
                    "failure": [self._operation(one) for one in failure],
                }
            case Watch(revision):
                keys = self._keys(*EVERYTHING)
                return "/v3/watch", {"create_request": {**keys, "start_revision": str(revision)}}
            case _:
                assert_never(question)

    def _key(self, key: str) -> str:
        return _text(f"{self._folder}{key}".encode())

    def _keys(self, key: str, end: str) -> dict[str, Any]:
        return {"key": self._key(key), **({"range_end": self._key(end)} if end else {})}

    def _compare(self, compare: Compare) -> dict[str, Any]:
        asked: dict[str, Any] = {"key": self._key(compare.key), "result": "EQUAL"}
        if compare.created is not None:
            return {**asked, "target": "CREATE", "create_revision": str(compare.created)}
        return {**asked, "target": "MOD", "mod_revision": str(compare.modified or 0)}

    def _operation(self, operation: Operation) -> dict[str, Any]:
        match operation:
            case Put(key, value, lease):
                put = {"key": self._key(key), "value": _text(value), "lease": str(lease)}
                return {"request_put": put}
            case Delete(key, end):
                return {"request_delete_range": self._keys(key, end)}
            case Get(key, end, after, limit, keys_only):
                asked = {**self._keys(key, end), "limit": str(limit), "keys_only": keys_only}
                if after:
                    asked["min_mod_revision"] = str(after + 1)
                return {"request_range": asked}
            case _:
                assert_never(operation)

    # Answers

    def answer(self, question: Question, body: Any) -> Answer:
        """What a body says that came with success.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is no answer of etcd's.
        """
        match question:
            case Grant():
                return Granted(int(body["ID"]), int(body["TTL"]))
            case KeepAlive():
                ttl_s = int(body["result"].get("TTL", 0))
                return Kept(ttl_s) if ttl_s > 0 else LeaseGone()
            case Revoke():
                return Revoked()
            case Transact():
                return self._transacted(body)
            case Watch():
                raise ValueError("a watch is no single answer")
            case _:
                assert_never(question)

    def _transacted(self, body: Any) -> Transacted:
        got = []
        for response in body.get("responses", ()):
            if "response_range" in response:
                found = response["response_range"].get("kvs", ())
                got.append(tuple(self._key_value(one) for one in found))
        revision = int(body["header"]["revision"])
        return Transacted(bool(body.get("succeeded", False)), revision, tuple(got))

    def _key_value(self, found: Any) -> KeyValue:
        return KeyValue(
            key=self._relative(found["key"]),
            value=b64decode(found.get("value", "")),
            created=int(found["create_revision"]),
            modified=int(found["mod_revision"]),
            lease=int(found.get("lease", 0)),
        )

    def _relative(self, key: str) -> str:
        return b64decode(key).decode().removeprefix(self._folder)

    # News

    def news(self, watch: int, body: Any) -> Changed | WatchLost | None:
        """What a line of a watch says; None where that is nothing.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none of etcd's.
        """
        if "error" in body:
            return WatchLost(watch, str(body["error"].get("message", body["error"])))
        result = body["result"]
        if result.get("canceled"):
            compacted = int(result.get("compact_revision", 0)) > 0
            return WatchLost(watch, result.get("cancel_reason", "cancelled"), compacted)
        events = tuple(self._event(one) for one in result.get("events", ()))
        return Changed(watch, events) if events else None

    def _event(self, found: Any) -> Event:
        entry = found["kv"]
        deleted = found.get("type", "PUT") == "DELETE"
        return Event(
            key=self._relative(entry["key"]),
            value=None if deleted else b64decode(entry.get("value", "")),
            created=int(entry.get("create_revision", 0)),
            modified=int(entry["mod_revision"]),
            lease=int(entry.get("lease", 0)),
        )


def refusal(question: Question, body: Any) -> Answer:
    """What a body says that came with an error."""
    code, text = error_of(body)
    if code == NOT_FOUND and "lease" in text:
        return Revoked() if isinstance(question, Revoke) else LeaseGone()
    unknown = code in _UNKNOWN_OUTCOMES
    return Failed(Certainty.UNKNOWN if unknown else Certainty.REFUSED, text)


def error_of(body: Any) -> tuple[int, str]:
    """gRPC's code and etcd's own words; an error that is none of etcd's may mean anything."""
    if isinstance(body, dict):
        inner = body.get("error")
        found = inner if isinstance(inner, dict) else body
        code = found.get("code", found.get("grpc_code", 2))
        text = found.get("message", inner)
        return (code if isinstance(code, int) else 2), str(text)
    return 2, "an answer that is none of etcd's"


def _text(data: bytes) -> str:
    return b64encode(data).decode()
