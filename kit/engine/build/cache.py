"""The build cache: what a step's result depends on, and the layer that it gave.

A key is made of named parts, all of them content: the files below, the resolved instruction, the digests of
what it reads. So a key that is found is a result that may be used, whoever made it and however long ago, and a
key that is not found can be explained part by part. Only a step that ended well is ever remembered.

Source: Docker Engine API, "BuildCache", "BuildPrune"; buildkit, docs/build-repro.md.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kit.engine.build.why import Note, Paths
from kit.engine.store.store import Store
from kit.oci.digest import DiffID, Digest, digest_of, hex_of

KIND, SEEN, LAST, FILES = "build-cache", "build-seen", "build-last", "build-files"


@dataclass(frozen=True)
class Key:
    """Everything that a step's result depends on, by name."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> Digest:
        return digest_of(json.dumps(self.parts, sort_keys=True).encode())


@dataclass(frozen=True)
class Record:
    """What a step gave: its layer, made at ``created`` (RFC 3339)."""

    diff_id: DiffID
    created: str


class Cache:
    """The records of a store. Many builds may use it at once."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._guard = threading.Lock()
        self._busy: dict[Digest, list[Any]] = {}

    def find(self, key: Key) -> Record | None:
        """The result under ``key``, if its layer is still here."""
        document = self._store.documents.find(KIND, key.digest)
        if document is None or self._store.layers.find(document["diff_id"]) is None:
            return None
        document |= {"used": self._clock(), "count": document["count"] + 1}
        self._store.documents.put(KIND, key.digest, document)
        return Record(document["diff_id"], document["created"])

    def remember(self, key: Key, record: Record, title: str) -> None:
        """Keeps the result of a step that ended well. ``title`` is for people."""
        now = self._clock()
        document = {"diff_id": record.diff_id, "created": record.created, "title": title}
        self._store.documents.put(KIND, key.digest, {**document, "made": now, "used": now, "count": 0})
        self._store.images.hold(key.digest, [record.diff_id])

    def seen(self, key: Key) -> bool:
        """Whether a step that makes no layer was done before. It is, from now on."""
        known = self._store.documents.find(SEEN, key.digest) is not None
        if not known:
            self._store.documents.put(SEEN, key.digest, True)
        return known

    @contextmanager
    def alone(self, key: Key, check: Callable[[], None]) -> Iterator[None]:
        """One build at a time has ``key``: the second finds what the first has made. ``check`` may end the wait."""
        with self._guard:
            entry = self._busy.setdefault(key.digest, [threading.Lock(), 0])
            entry[1] += 1
        try:
            while not entry[0].acquire(timeout=0.1):
                check()
            try:
                yield
            finally:
                entry[0].release()
        finally:
            with self._guard:
                entry[1] -= 1
                if not entry[1]:
                    del self._busy[key.digest]

    def compare(self, place: str, key: Key, listing: Callable[[], Paths] = tuple) -> tuple[Note, Note | None]:
        """This time and last time, if there was one, at ``place`` (name of the image, number of the step).

        ``listing``: the files that the step reads; only asked when something differs, so both notes may have none.
        """
        documents = self._store.documents
        parts, now = documents.find(LAST, place), Note(key.parts, {})
        if parts == key.parts:
            return now, now
        now, files = Note.of(key.parts, listing), documents.find(FILES, place) or {}
        documents.put(LAST, place, dict(key.parts))
        if now.files or files:
            documents.put(FILES, place, dict(now.files))
        return now, None if parts is None else Note(parts, files)

    def rows(self) -> list[dict[str, Any]]:
        """Docker's ``BuildCache`` rows, the one used last first."""
        documents = self._store.documents.all(KIND).items()
        rows = [self._row(key, document) for key, document in documents]
        return sorted(rows, key=lambda row: str(row["LastUsedAt"]), reverse=True)

    def _row(self, key: str, document: Mapping[str, Any]) -> dict[str, Any]:
        layer = self._store.layers.find(document["diff_id"])
        return {
            "ID": hex_of(Digest(key))[:25],
            "Parent": "",
            "Type": "regular",
            "Description": document["title"],
            "InUse": False,
            "Shared": layer is not None and self._store.images.uses(layer.diff_id),
            "Size": layer.size if layer else 0,
            "CreatedAt": _moment(document["made"]),
            "LastUsedAt": _moment(document["used"]),
            "UsageCount": document["count"],
        }

    def prune(self, *, older_than: float = 0.0, keep: int = 0) -> tuple[list[str], int]:
        """Forgets records, oldest first; the IDs that went, and the bytes that were freed.

        Those stay that were used within ``older_than`` seconds, and the newest ones up to ``keep`` bytes.
        """
        documents = sorted(self._store.documents.all(KIND).items(), key=lambda item: float(item[1]["used"]))
        left = sum(self._size(document["diff_id"]) for _, document in documents)
        gone, freed = [], 0
        for key, document in documents:
            size = self._size(document["diff_id"])
            if (keep and left <= keep) or self._clock() - document["used"] < older_than:
                continue
            left -= size
            self._store.documents.delete(KIND, key)
            freed += size if self._store.images.let_go(key) else 0
            gone.append(hex_of(Digest(key))[:25])
        if not keep and not older_than:
            for kind in (SEEN, LAST, FILES):
                self._store.documents.clear(kind)
        return gone, freed

    def _size(self, diff_id: DiffID) -> int:
        layer = self._store.layers.find(diff_id)
        return layer.size if layer else 0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
