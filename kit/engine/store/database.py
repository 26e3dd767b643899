"""One SQLite file for everything that is not a blob: tags, images, layers, documents.

The journal is written ahead (WAL): a killed engine loses no committed row and leaves no half one.

Source: sqlite.org, "Write-Ahead Logging", "PRAGMA synchronous".
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from kit.errors import Invalid

VERSION = 1
SCHEMA = """
CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY, media_type TEXT NOT NULL, digest TEXT NOT NULL, packed INTEGER NOT NULL,
    size INTEGER NOT NULL, tar_size INTEGER NOT NULL
) STRICT;
CREATE TABLE layer_blobs (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL REFERENCES layers ON DELETE CASCADE) STRICT;
CREATE TABLE images (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, parent TEXT, tagged REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE image_layers (id TEXT NOT NULL, diff_id TEXT NOT NULL, PRIMARY KEY (id, diff_id)) STRICT;
CREATE INDEX layer_images ON image_layers (diff_id);
CREATE TABLE tags (name TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;
CREATE TABLE digests (name TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;
CREATE TABLE manifests (id TEXT PRIMARY KEY, media_type TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT;
"""


class OtherVersion(Invalid):
    """A store that another version of Layerlab wrote."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path} has format {version}, this Layerlab knows {VERSION}: "
            "use the other version, or move the store away"
        )
        self.path, self.version = path, version


class Database:
    """One connection that all threads share in turn."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            (version,) = self.rows("PRAGMA user_version")[0]
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise OtherVersion(path, version)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. May be nested: the outermost one counts."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query, or of a statement (then mostly none)."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()
