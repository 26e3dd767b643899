"""What happens in the engine: the last events, and those to come.

Source: Docker Engine API, "SystemEvents"; dockerd's "events.go" (how many are remembered, which keys).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kit.engine.containers import clock
from kit.engine.containers.filters import Filters

Json = dict[str, Any]
REMEMBERED = 256
"""Events that a client can still ask for (dockerd's figure)."""
MOST_WAITING = 10_000
"""Events that wait for one client. Who falls behind further misses the oldest ones."""
_WITH_STATUS = ("container", "image")
"""Kinds whose events carry the keys of Docker's first format, too."""
_KINDS = ("container", "image", "network", "volume", "daemon", "plugin")
KEYS = (*_KINDS, "event", "type", "label", "scope", "service", "node", "secret", "config")


class Subscription:
    """Events that happened and, until it is closed, that happen. One thread reads, any may close."""

    def __init__(
        self, past: list[Json], takes: Callable[[Json], bool], until: int, leave: Callable[["Subscription"], None]
    ) -> None:
        self._waiting = deque((event for event in past if takes(event)), MOST_WAITING)
        self._takes, self._until, self._leave = takes, until, leave
        self._changed = threading.Condition()
        self._closed = False

    def put(self, event: Json) -> None:
        with self._changed:
            if self._takes(event):
                self._waiting.append(event)
                self._changed.notify()

    def close(self) -> None:
        """No event will follow. May be repeated."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._leave(self)

    def __iter__(self) -> Iterator[Json]:
        while (event := self._next()) is not None:
            yield event

    def _next(self) -> Json | None:
        with self._changed:
            while True:
                left = (self._until - time.time_ns()) / clock.SECOND if self._until else None
                if self._waiting:
                    return self._waiting.popleft()
                if self._closed or (left is not None and left <= 0):
                    return None
                self._changed.wait(left)


class Events:
    """All events of one engine."""

    def __init__(self) -> None:
        self._past: deque[Json] = deque(maxlen=REMEMBERED)
        self._subscriptions: list[Subscription] = []
        self._lock = threading.Lock()

    def emit(self, kind: str, action: str, key: str, attributes: Mapping[str, str]) -> None:
        """Something happened. ``key`` is the ID or name of what it happened to."""
        now = time.time_ns()
        event: Json = {}
        if kind in _WITH_STATUS:
            event = {"status": action, "id": key}
            if kind == "container" and attributes.get("image"):
                event["from"] = attributes["image"]
        event |= {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": key, "Attributes": dict(attributes)},
            "scope": "local",
            "time": now // clock.SECOND,
            "timeNano": now,
        }
        with self._lock:
            self._past.append(event)
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.put(event)

    def subscribe(self, *, since: int = 0, until: int = 0, wanted: Filters = Filters()) -> Subscription:
        """Events from ``since`` on (nanoseconds since 1970; 0: from now on), up to ``until`` (0: without end).

        Raises:
            Invalid: an unknown filter.
        """
        wanted.check(*KEYS)

        def takes(event: Json) -> bool:
            return not (until and event["timeNano"] > until) and _matches(event, wanted)

        with self._lock:
            past = [event for event in self._past if event["timeNano"] >= since] if since or until else []
            found = Subscription(past, takes, until, self._forget)
            self._subscriptions.append(found)
        return found

    def _forget(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = [other for other in self._subscriptions if other is not subscription]


def _matches(event: Json, wanted: Filters) -> bool:
    kind, actor = event["Type"], event["Actor"]
    attributes = actor["Attributes"]
    return (
        wanted.one_of("type", [kind])
        and wanted.one_of("event", [event["Action"], event["Action"].partition(":")[0]])
        and wanted.one_of("scope", [event["scope"]])
        and wanted.labels(attributes)
        and all(_named(event, key, wanted) for key in _KINDS)
    )


def _named(event: Json, key: str, wanted: Filters) -> bool:
    """Whether the event is about one of the things that the filter ``key`` names."""
    if key not in wanted:
        return True
    actor = event["Actor"]
    names = [actor["ID"], actor["Attributes"].get("name", "")]
    if key == "image":
        names += [actor["Attributes"].get("image", "")]
        names += [name.rpartition(":")[0] for name in names if ":" in name.rpartition("/")[2]]
    elif event["Type"] != key and not (key == "container" and "container" in actor["Attributes"]):
        return False
    else:
        names.append(actor["Attributes"].get("container", ""))
    long = [text for text in wanted.values(key) if len(text) >= 12 and actor["ID"].startswith(text)]
    return bool(long) or wanted.one_of(key, filter(None, names))
