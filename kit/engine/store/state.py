"""Documents: JSON by kind and key, for the rooms above that have a few things to remember.

Containers, networks, volumes and the build cache each are a kind.
"""

import json
from typing import Any

from kit.engine.store.database import Database
from kit.errors import NotFound


class DocumentNotFound(NotFound):
    """No document under this key."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"there is no {kind} {key!r}")
        self.kind, self.key = kind, key


class Documents:
    """A small key → JSON table per kind. A document is written whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, kind: str, key: str, document: Any) -> None:
        body = json.dumps(document, separators=(",", ":"))
        self._database.rows("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", kind, key, body)

    def find(self, kind: str, key: str) -> Any | None:
        rows = self._database.rows("SELECT body FROM documents WHERE kind = ? AND key = ?", kind, key)
        return json.loads(rows[0][0]) if rows else None

    def get(self, kind: str, key: str) -> Any:
        """The document.

        Raises:
            DocumentNotFound: nothing was put under this key.
        """
        rows = self._database.rows("SELECT body FROM documents WHERE kind = ? AND key = ?", kind, key)
        if not rows:
            raise DocumentNotFound(kind, key)
        return json.loads(rows[0][0])

    def delete(self, kind: str, key: str) -> None:
        self._database.rows("DELETE FROM documents WHERE kind = ? AND key = ?", kind, key)

    def clear(self, kind: str) -> None:
        """Deletes every document of a kind."""
        self._database.rows("DELETE FROM documents WHERE kind = ?", kind)

    def all(self, kind: str) -> dict[str, Any]:
        """Every document of a kind by its key, in the order of the keys."""
        rows = self._database.rows("SELECT key, body FROM documents WHERE kind = ? ORDER BY key", kind)
        return {key: json.loads(body) for key, body in rows}
