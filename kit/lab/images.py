"""An image, opened: layers, history, config, files, and what of it is dead weight. ``kit.image``.

Everything here is read from what the engine saves, so it is the same whichever engine made the image. Sizes are
bytes of files, each file once: an engine's own SIZE means something else in every version.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import docker
import requests

from kit.errors import Invalid, KitError, NotFound, Unavailable
from kit.lab.config_view import Config
from kit.lab.connect import Lab, connect
from kit.lab.indexes import Indexes
from kit.lab.saved import Saved, Seen, read_config, read_saved
from kit.layer.changeset import Changeset, merge
from kit.layer.tarball import scan
from kit.layer.tree import Entry
from kit.layer.waste import DeadFile, Weight, dead_files, file_bytes, weigh
from kit.oci.config import History, ImageConfig
from kit.oci.digest import DiffID, Digest, ImageID, parse_digest
from kit.views.blocks import View
from kit.views.models.stack import Stack


class NoSuchImage(NotFound):
    """The engine has no image of that name."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"there is no image {reference!r} here: kit.tags() lists the names")
        self.reference = reference


class NotAChild(Invalid):
    """An image whose bottom layers are not those of the parent that was named."""

    def __init__(self, child: str, parent: str) -> None:
        super().__init__(f"{child} does not stand on {parent}: its bottom layers are others")
        self.child, self.parent = child, parent


@dataclass(frozen=True)
class Layer:
    """One layer. ``index`` 0 is the bottom; ``created_by`` the line of history that made it."""

    index: int
    diff_id: DiffID
    changeset: Changeset
    created_by: str = ""

    @property
    def files(self) -> Mapping[str, Entry]:
        """What the layer adds or replaces, by path."""
        return {path: entry for path, entry in self.changeset.entries.items() if path}

    @property
    def removed(self) -> frozenset[str]:
        """The paths of lower layers that it hides."""
        return self.changeset.removed

    @property
    def opaque(self) -> frozenset[str]:
        """The directories whose lower content it hides."""
        return self.changeset.opaque

    @property
    def size(self) -> int:
        """Bytes of its files, each file once."""
        return file_bytes(self.changeset.entries)

    def __repr__(self) -> str:
        return f"Layer({self.index}, {self.diff_id[:19]}…, {len(self.files)} files, {self.size:,} bytes)"


@dataclass(frozen=True, repr=False)
class Image(View):
    """An image under the name it was asked for. ``layers`` bottom first."""

    reference: str
    document: ImageConfig
    layers: tuple[Layer, ...]

    @property
    def id(self) -> ImageID:
        """The digest of the config: what Docker calls the image ID, on its classic store."""
        return self.document.id

    @property
    def history(self) -> tuple[History, ...]:
        """One line an instruction, bottom first, with a layer or without."""
        return self.document.history

    @cached_property
    def config(self) -> Config:
        """What a container runs with, by Docker's keys: ``config["Cmd"]``. What is not set is None, "" or empty."""
        return Config(self.document.document.get("config") or {})

    @property
    def cmd(self) -> list[str] | None:
        return None if self.document.run.cmd is None else list(self.document.run.cmd)

    @property
    def entrypoint(self) -> list[str] | None:
        return None if self.document.run.entrypoint is None else list(self.document.run.entrypoint)

    @property
    def user(self) -> str:
        return self.document.run.user

    @property
    def working_dir(self) -> str:
        return self.document.run.working_dir

    @property
    def env(self) -> dict[str, str]:
        return self.document.run.environment

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.document.run.labels)

    @property
    def ports(self) -> list[str]:
        """What EXPOSE names, such as ``80/tcp``."""
        return list(self.document.run.exposed_ports)

    @property
    def architecture(self) -> str:
        return self.document.platform.architecture

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        return self.document.diff_ids

    @cached_property
    def files(self) -> dict[str, Entry]:
        """What a container sees: all layers merged, removals applied, by path."""
        return {path: entry for path, entry in merge(self._changesets).items() if path}

    @property
    def stored(self) -> int:
        """Bytes of all files in all layers."""
        return self._weight.stored

    @property
    def visible(self) -> int:
        """Bytes of the files that a container sees."""
        return self._weight.visible

    @property
    def dead(self) -> int:
        """Bytes that are shipped and that nobody can see."""
        return self._weight.dead

    @cached_property
    def dead_files(self) -> list[DeadFile]:
        """The files behind ``dead``: path, size, the layer that holds it, the layer that hides it."""
        return dead_files(self._changesets)

    @cached_property
    def _weight(self) -> Weight:
        return weigh(self._changesets)

    @property
    def _changesets(self) -> list[Changeset]:
        return [layer.changeset for layer in self.layers]

    def above(self, parent: "Image | str") -> tuple[Layer, ...]:
        """The layers that this image adds to ``parent``.

        Raises:
            NotAChild: this image's bottom layers are not the parent's layers.
        """
        other = parent if isinstance(parent, Image) else image(parent)
        count = len(other.diff_ids)
        if self.diff_ids[:count] != other.diff_ids:
            raise NotAChild(self.reference, other.reference)
        return self.layers[count:]

    def blocks(self) -> Iterator[Any]:
        return Stack.of(self.reference, self.document, self._changesets).blocks()


def image(reference: "str | Image", *, lab: Lab | None = None) -> Image:
    """Open an image by its name or ID.

    Raises:
        NoSuchImage: the engine has none. Invalid: what the engine saves is damaged.
    """
    if isinstance(reference, Image):
        return reference
    lab = lab or connect()
    indexes = Indexes(lab.home.index)
    engine_id, diff_ids = _identity(lab, reference)
    config = indexes.find_config(engine_id)
    known = {diff_id: indexes.find_layer(diff_id) for diff_id in (config.diff_ids if config else diff_ids)}
    if config is None and None not in known.values():
        config = _read_config(lab, engine_id, indexes)
    if config is None or any(known.get(diff_id) is None for diff_id in config.diff_ids):
        config, known = _read(lab, reference, engine_id, indexes)
    lines = [line.created_by for line in config.history if not line.empty_layer]
    lines += [""] * (len(config.diff_ids) - len(lines))
    layers = tuple(
        Layer(place, diff_id, known[diff_id] or Changeset(), line)
        for place, (diff_id, line) in enumerate(zip(config.diff_ids, lines, strict=True))
    )
    return Image(reference, config, layers)


def _identity(lab: Lab, reference: str) -> tuple[Digest, tuple[DiffID, ...]]:
    """The engine's ID of the image, and its layers."""
    try:
        found = lab.client.api.inspect_image(reference)
        return parse_digest(found["Id"]), tuple(map(DiffID, (found.get("RootFS") or {}).get("Layers") or ()))
    except docker.errors.NotFound as error:
        raise NoSuchImage(reference) from error
    except docker.errors.NullResource as error:
        raise Invalid("an image needs a name") from error
    except docker.errors.APIError as error:
        raise Invalid(f"the engine refuses {reference!r}: {error.explanation or error}") from error
    except requests.RequestException as error:
        raise Unavailable(f"the engine at {lab.docker_host} does not answer: {error}") from error


def saved_image(
    lab: Lab,
    reference: str,
    look: Callable[[BinaryIO], Seen],
    known: Callable[[str], tuple[DiffID, Seen] | None] = lambda path: None,
) -> Saved[Seen]:
    """What ``look`` makes of each layer's uncompressed tar, as the engine saves the image; every layer is there.

    Layers that ``known`` recognises by their path in the archive are passed over.

    Raises:
        NoSuchImage: the engine has none. Invalid: what it saves is damaged. Unavailable: it does not answer.
    """
    engine_id, _ = _identity(lab, reference)
    try:
        saved = read_saved(lab.client.api.get_image(engine_id), look, known)
        config = saved.config()
    except docker.errors.NotFound as error:
        raise NoSuchImage(reference) from error
    except (docker.errors.APIError, requests.RequestException) as error:
        raise Unavailable(f"the engine could not save {reference!r}: {error}") from error
    except KitError as error:
        raise Invalid(f"what the engine saves of {reference!r} can't be read: {error}") from error
    missing = [diff_id for diff_id in config.diff_ids if diff_id not in saved.layers]
    if missing:
        raise Invalid(f"what the engine saves of {reference!r} lacks the layer {missing[0]}")
    return saved


def _read(
    lab: Lab, reference: str, engine_id: Digest, indexes: Indexes
) -> tuple[ImageConfig, dict[DiffID, Changeset | None]]:
    """The image's config, and its layers; what was not known of them is kept."""
    found = set[DiffID]()

    def known(path: str) -> tuple[DiffID, Changeset] | None:
        diff_id = indexes.find_place(path)
        changeset = indexes.find_layer(diff_id) if diff_id else None
        if diff_id is None or changeset is None:
            return None
        found.add(diff_id)
        return diff_id, changeset

    saved = saved_image(lab, reference, scan, known)
    for diff_id in saved.layers.keys() - found:
        indexes.put_layer(diff_id, saved.layers[diff_id])
    for path, diff_id in saved.places.items():
        indexes.put_place(path, diff_id)
    config = saved.config()
    indexes.put_config(engine_id, config)
    return config, dict(saved.layers)


def _read_config(lab: Lab, engine_id: Digest, indexes: Indexes) -> ImageConfig | None:
    """The config alone, of an image whose layers are known; None when that can't be told from the documents alone."""
    try:
        config = read_config(lab.client.api.get_image(engine_id))
    except (docker.errors.APIError, requests.RequestException, KitError):
        return None
    indexes.put_config(engine_id, config)
    return config
