"""All images: what the API asks for, by the image's name.

This is the door of the room. Each method finds the image, then leaves the work to the module that it belongs to.
"""

import platform as machine
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kit.engine.containers.containers import Containers
from kit.engine.containers.events import Emit
from kit.engine.containers.filters import Filters
from kit.engine.containers.listing import moment
from kit.engine.images import documents, importing, listing, loading, saving
from kit.engine.images.deleting import Deletion
from kit.engine.images.documents import Json
from kit.engine.images.progress import Message, Status
from kit.engine.store.store import Store
from kit.errors import Conflict, Invalid, NotFound
from kit.layer.headers import Readable
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference

if TYPE_CHECKING:
    from kit.engine.images.trading import Trade

Rows = list[Json]
KIND = "image"


class Catalogue:
    """The images of one engine. ``trade`` is called when a registry is needed for the first time."""

    def __init__(self, store: Store, containers: Containers, trade: "Callable[[], Trade]", emit: Emit) -> None:
        self._store, self._containers, self._trade, self._emit = store, containers, trade, emit

    # look

    def list(self, wanted: Filters, *, everything: bool = False) -> Rows:
        """Rows of ``docker images``, newest first."""
        return listing.rows(self._store, wanted, everything=everything)

    def inspect(self, name: str) -> Json:
        """
        Raises:
            ImageNotFound
        """
        return documents.inspect(self._store, self._store.images.resolve(name))

    def history(self, name: str) -> Rows:
        """Rows, newest first."""
        return documents.history(self._store, self._store.images.resolve(name))

    # names, and the end

    def tag(self, name: str, repository: str, tag: str) -> None:
        """
        Raises:
            ImageNotFound, InvalidReference
        """
        image = self._store.images.resolve(name)
        reference = parse_reference(repository)
        if reference.digest:
            raise Invalid("refusing to create a tag with a digest reference")
        reference = reference.with_tag(tag) if tag else reference.with_default_tag()
        self._store.images.tag(reference, image)
        self._tell(image, "tag", reference.familiar)

    def delete(self, name: str, *, force: bool = False, prune: bool = True) -> Rows:
        """What was untagged and deleted.

        Raises:
            ImageNotFound, InvalidReference, Conflict
        """
        return self._deletion().run(name, force=force, prune=prune)

    def _deletion(self) -> Deletion:
        return Deletion(self._store, self._containers.users_of_image, self._tell)

    def prune(self, wanted: Filters) -> Json:
        """Deletes nameless images; with ``dangling=false`` all that no container uses. Filters: label, until.

        Raises:
            Invalid: an unknown filter or value.
        """
        wanted.check("dangling", "label", "label!", "until")
        nameless = wanted.flag("dangling", lambda: True)
        moments = [moment(text) for text in wanted.values("until")]
        before = {layer.diff_id: layer.blob.size for layer in self._store.layers.all()}
        rows: Rows = []
        for image in self._store.images.all():
            if self._store.images.has(image) and self._unwanted(image, wanted, moments, nameless):
                names = [*documents.names(self._store.images, image), *documents.digests(self._store.images, image)]
                for name in names or [image]:
                    rows += self._pruned(name)
        left = {layer.diff_id for layer in self._store.layers.all()}
        freed = sum(size for diff_id, size in before.items() if diff_id not in left)
        return {"ImagesDeleted": rows or None, "SpaceReclaimed": freed}

    def _unwanted(self, image: ImageID, wanted: Filters, moments: Iterable[int], nameless: bool) -> bool:
        images = self._store.images
        config = images.get(image)
        made = documents.moment(config) * 10**9
        return (
            not images.children(image)
            and not self._containers.users_of_image(image)
            and not (nameless and (images.references(image) or images.repo_digests(image)))
            and wanted.labels(config.run.labels)
            and all(made < time for time in moments)
        )

    def _pruned(self, name: str) -> Rows:
        deletion = self._deletion()
        try:
            return deletion.run(name)
        except (Conflict, NotFound):  # in use; or a digest, which went with the last tag
            return deletion.rows

    # archives

    def save(self, names: Iterable[str]) -> Iterator[bytes]:
        """An archive of the images that are named.

        Raises:
            NotFound, InvalidReference: at once.
        """
        images = saving.chosen(self._store, names)
        for image in images:
            self._tell(image, "save")
        return saving.save(self._store, images)

    def load(self, archive: Readable, *, quiet: bool = True) -> Iterator[Message]:
        """Images out of an archive.

        Raises:
            Invalid: while it is read.
        """
        for message, image in loading.load(self._store, archive, quiet=quiet):
            if image is not None:
                self._tell(image, "load")
            yield message

    def import_tar(
        self,
        tar: Readable,
        *,
        source: str = "-",
        name: str = "",
        message: str = "",
        changes: Iterable[str] = (),
        platform: str = "",
    ) -> Iterator[Message]:
        """A root file system becomes an image; the last message is its ID.

        ``source`` "-" is ``tar``, else an address.

        Raises:
            Invalid
        """
        from kit.engine.registry.platforms import parse_platform, platform_of

        words = {
            "name": name,
            "message": message or f"Imported from {source}",
            "changes": changes,
            "platform": parse_platform(platform) if platform else platform_of(machine.machine()),
        }
        if source == "-":
            image = importing.import_tar(self._store, tar, **words)  # type: ignore[arg-type]
        else:
            yield Status(f"Downloading from {source}")
            with importing.downloaded(source) as body:
                image = importing.import_tar(self._store, body, **words)  # type: ignore[arg-type]
        self._tell(image, "import")
        yield Status(image)

    # registries

    def pull(
        self, name: str, tag: str = "", *, platform: str = "", login: Mapping[str, Any] = {}
    ) -> Iterator[Message]:
        """Progress of a pull.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid: what came is gone again.
        """
        for event in self._trade().pull(name, tag, platform, login):
            if isinstance(event, str):
                labels = self._store.images.get(event).run.labels
                self._emit(KIND, "pull", f"{name}:{tag}" if tag else name, {**labels, "name": name})
            else:
                yield event

    def push(self, name: str, tag: str = "", *, login: Mapping[str, Any] = {}) -> Iterator[Message]:
        """Progress of a push.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid
        """
        yield from self._trade().push(name, tag, login)
        self._emit(KIND, "push", f"{name}:{tag}" if tag else name, {"name": name})

    def distribution(self, name: str, login: Mapping[str, Any]) -> Json:
        """What a registry has under a name.

        Raises:
            InvalidReference, NotFound, Denied, Unavailable, Invalid
        """
        return self._trade().distribution(name, login)

    def login(self, login: Mapping[str, Any]) -> str:
        """An identity token, or "".

        Raises:
            Denied, Unavailable
        """
        return self._trade().login(login)

    def search(self, term: str, limit: int, wanted: Filters) -> Rows:
        """
        Raises:
            Invalid, Unavailable
        """
        from kit.engine.images.searching import search

        return search(term, limit, wanted)

    # events

    def _tell(self, image: ImageID, action: str, name: str = "") -> None:
        images = self._store.images
        labels = images.get(image).run.labels if images.has(image) else {}
        self._emit(KIND, action, image, {**labels, "name": name or image})
