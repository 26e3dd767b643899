"""All containers, by id and by name, kept in the store.

Names are given out under one lock: two clients can't get the same one.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from kit.engine.containers import names
from kit.engine.containers.container import Container
from kit.engine.store.store import Store
from kit.errors import Conflict, Invalid, NotFound

KIND = "container"
_ID = re.compile(r"[0-9a-f]+")


class NoSuchContainer(NotFound):
    def __init__(self, text: str) -> None:
        super().__init__(f"No such container: {text}")
        self.text = text


class Roster:
    """Who is there. ``root`` holds a directory for each."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root, self._documents = root, store.documents
        self._lock = threading.RLock()
        self._containers: dict[str, Container] = {}
        self._names: dict[str, str] = {}
        for key, document in self._documents.all(KIND).items():
            container = Container.of_json(document, self.directory(key))
            self._containers[key] = container
            self._names[container.name] = key

    def directory(self, key: str) -> Path:
        return self._root / key

    def all(self) -> list[Container]:
        """Newest first, as Docker lists them."""
        with self._lock:
            return sorted(self._containers.values(), key=lambda container: container.created, reverse=True)

    def find(self, text: str) -> Container:
        """By id, name (with or without the slash) or unique beginning of an id.

        Raises:
            NoSuchContainer
            Invalid: several ids begin like this.
        """
        with self._lock:
            known = self._containers.get(text) or self._containers.get(self._names.get(text.removeprefix("/"), ""))
            if known is not None:
                return known
            found = [key for key in self._containers if _ID.fullmatch(text) and key.startswith(text)]
            if len(found) > 1:
                raise Invalid(f"Multiple IDs found with provided prefix: {text}")
            if not found:
                raise NoSuchContainer(text)
            return self._containers[found[0]]

    @contextlib.contextmanager
    def reserved(self, name: str, key: str) -> Iterator[str]:
        """The name for container ``key`` while it is being made, "" for a generated one; free again on an error.

        Raises:
            InvalidName, NameInUse
        """
        with self._lock:
            name = self._reserve(names.checked(name) if name else names.generated(self._names), key)
        try:
            yield name
        except BaseException:
            with self._lock:
                self._names.pop(name, None)
            raise

    def _reserve(self, name: str, key: str) -> str:
        holder = self._names.get(name)
        if holder is not None:
            raise names.NameInUse(name, holder)
        self._names[name] = key
        return name

    def add(self, container: Container) -> None:
        """From now on it is there, whatever becomes of the engine."""
        with self._lock:
            self._containers[container.id] = container
        self.save(container)

    def save(self, container: Container) -> None:
        """Keeps its document as it is now. Nothing, if it has been removed."""
        with self._lock:
            if container.id in self._containers:
                self._documents.put(KIND, container.id, container.to_json())

    def rename(self, container: Container, name: str) -> str:
        """Gives it another name and returns the old one.

        Raises:
            InvalidName
            Conflict: the name is taken or its own.
        """
        with self._lock:
            name = names.checked(name)
            if name == container.name:
                raise Invalid("Renaming a container with the same name as its current name")
            try:
                self._reserve(name, container.id)
            except names.NameInUse as error:
                raise Conflict(f"Error when allocating new name: {error}") from error
            old, container.name = container.name, name
            self._names.pop(old, None)
        self.save(container)
        return old

    def remove(self, container: Container) -> None:
        """It is no longer there, and its name is free."""
        with self._lock:
            self._containers.pop(container.id, None)
            if self._names.get(container.name) == container.id:
                del self._names[container.name]
            self._documents.delete(KIND, container.id)
