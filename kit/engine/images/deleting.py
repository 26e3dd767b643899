"""Taking images away: what ``docker rmi`` untags, what it deletes, and what it refuses.

A name is taken away first; only an image that has no other name left is deleted, and then also its parents that
nobody named. Containers and other images stand in the way: some can be overruled (``force``), some can't.

Source: dockerd's "image_delete.go": its order, its rules and its words.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kit.engine.store.store import Store
from kit.errors import Conflict
from kit.oci.digest import DiffID, ImageID, chain_id, hex_of
from kit.oci.reference import Reference, parse_reference

Json = dict[str, Any]
Tell = Callable[[ImageID, str], None]
"""``tell(image, action)``: "untag" or "delete"."""
Users = Callable[[ImageID], Sequence[tuple[str, bool]]]
"""Id, and whether it runs, of the containers made of an image."""


class InUse(Conflict):
    """The image can't go. ``used``: a container stands in the way."""

    def __init__(self, image: ImageID, why: str, *, hard: bool, used: bool = False) -> None:
        how = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {_short(image)} ({how}) - {why}")
        self.used = used


class NameInUse(Conflict):
    """The only name of an image that a container was made of."""

    def __init__(self, name: str, container: str, image: ImageID) -> None:
        super().__init__(
            f'conflict: unable to remove repository reference "{name}" (must force) - container {container[:12]} '
            f"is using its referenced image {_short(image)}"
        )


class Mask(NamedTuple):
    """Which obstacles count."""

    soft: bool = True
    names: bool = True


class Deletion:
    """One ``docker rmi``. ``rows`` is what was done so far, in Docker's form."""

    def __init__(self, store: Store, users: Users, tell: Tell) -> None:
        self._store, self._users, self._tell = store, users, tell
        self.rows: list[Json] = []

    def run(self, name: str, *, force: bool = False, prune: bool = True) -> list[Json]:
        """
        Raises:
            ImageNotFound, InvalidReference
            NameInUse, InUse: what was untagged before stays untagged.
        """
        images = self._store.images
        image, untagged = images.resolve(name), False
        if not _is_id(image, name):
            if not force and _one_name(self._names(image)):
                for container, _ in self._users(image):
                    raise NameInUse(name, container, image)
            self._untag(image, parse_reference(name).with_default_tag())
            untagged = True
            if self._names(image):
                return self.rows
        elif _one_name(self._names(image)):
            self._check(image, Mask(soft=not force, names=False))
            for reference in self._names(image):
                self._untag(image, reference)
        self._delete(image, force=force, prune=prune, quiet=untagged)
        return self.rows

    def _names(self, image: ImageID) -> list[Reference]:
        return [*self._store.images.references(image), *self._store.images.repo_digests(image)]

    def _untag(self, image: ImageID, reference: Reference) -> None:
        """Takes one name away; with the last tag of a repository go its digests."""
        self._take(image, reference)
        left = self._names(image)
        alone = not any(other.tag and other.name == reference.name for other in left)
        if reference.tag and not reference.digest and alone:
            for other in left:
                if other.digest and other.name == reference.name:
                    self._take(image, other)

    def _take(self, image: ImageID, reference: Reference) -> None:
        self._store.images.untag(reference)
        self._tell(image, "untag")
        self.rows.append({"Untagged": reference.familiar})

    def _delete(self, image: ImageID, *, force: bool, prune: bool, quiet: bool = False) -> None:
        """Deletes the image; with ``prune`` also its nameless parents.

        ``quiet``: that something still needs it is no error, because a name was taken away already.
        """
        images = self._store.images
        try:
            self._check(image, Mask(soft=not force))
        except InUse as error:
            if quiet and (error.used or images.children(image) or self._names(image)):
                return
            raise
        parent = images.parent(image)
        for reference in self._names(image):
            self._take(image, reference)
        diff_ids = images.get(image).diff_ids
        gone = images.delete(image)
        self._tell(image, "delete")
        self.rows.append({"Deleted": image})
        self.rows += [{"Deleted": chain} for chain in _chains(diff_ids, gone)]
        if prune and parent is not None:
            self._delete(parent, force=False, prune=True, quiet=True)

    def _check(self, image: ImageID, mask: Mask) -> None:
        """
        Raises:
            InUse: the first obstacle, the hard ones before the soft.
        """
        if self._store.images.children(image):
            raise InUse(image, "image has dependent child images", hard=True)
        users = self._users(image)
        for container, runs in users:
            if runs:
                raise InUse(image, f"image is being used by running container {container[:12]}", hard=True, used=True)
        if mask.soft and mask.names and self._names(image):
            raise InUse(image, "image is referenced in multiple repositories", hard=False)
        for container, _ in users if mask.soft else ():
            raise InUse(image, f"image is being used by stopped container {container[:12]}", hard=False, used=True)


def _short(image: ImageID) -> str:
    return hex_of(image)[:12]


def _is_id(image: ImageID, text: str) -> bool:
    return image.startswith(text) or hex_of(image).startswith(text)


def _one_name(references: Sequence[Reference]) -> bool:
    """Whether there is one tag at most, and every digest is of the same repository."""
    tags = [reference for reference in references if not reference.digest]
    return len(references) > 0 and len(tags) <= 1 and len({reference.name for reference in references}) == 1


def _chains(diff_ids: Sequence[DiffID], gone: Sequence[DiffID]) -> Iterator[str]:
    """Docker names a deleted layer by the stack that it was the top of; top first."""
    for count in range(len(diff_ids), 0, -1):
        if diff_ids[count - 1] in gone:
            yield str(chain_id(diff_ids[:count]))
