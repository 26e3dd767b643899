"""Where parents and sources come from: images (pulled when missing), stages, contexts by name.

A plan may not do I/O, so what it asks for and we don't have is an exception, ``Missing``: the builder pulls it
and plans again.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from kit.dockerfile.sources import kind_of, parse_git
from kit.dockerfile.steps import FromImage, NamedContext
from kit.engine.build.context import read_context
from kit.engine.build.files import Files, LayeredFiles
from kit.engine.build.options import BuildOptions
from kit.engine.build.progress import Progress
from kit.engine.build.remote import download, fetch_git, files_of_directory
from kit.engine.store.store import Store
from kit.errors import Invalid, NotFound
from kit.oci.config import ImageConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference

IMAGE, OWN_DIRECTORY = "docker-image://", "local:"


class Pull(Protocol):
    """Brings an image from its registry into the store; what it yields are the pull's messages."""

    def __call__(
        self, name: str, tag: str = "", *, platform: str = "", login: Mapping[str, Any] = {}
    ) -> Iterator[Progress]: ...


class Missing(Exception):
    """An image that has to be pulled first."""

    def __init__(self, image: FromImage) -> None:
        super().__init__(image.name)
        self.image = image


class Parents:
    """The images and named contexts of one build."""

    def __init__(self, store: Store, options: BuildOptions, platform: Platform, pull: Pull, folder: Path) -> None:
        self._store, self._options, self._platform = store, options, platform
        self._pull, self._folder = pull, folder
        self._pulled: set[FromImage] = set()
        self._contexts: dict[str, Files] = {}

    def config(self, source: FromImage | NamedContext) -> ImageConfig | None:
        """The parent's config; None for plain files.

        Raises:
            Missing: pull it, and ask again.
        """
        if isinstance(source, FromImage):
            return self._store.images.get(self.image(source))
        address = self._options.contexts[source.name]
        if address.startswith(IMAGE):
            return self.config(FromImage(address.removeprefix(IMAGE)))
        return None

    def image(self, source: FromImage) -> ImageID:
        """The image itself.

        Raises:
            Missing, InvalidReference
        """
        found = self._store.images.find(source.name)
        fresh = source in self._pulled or not self._options.pull
        if found is not None and fresh and (source in self._pulled or self._fits(found, source)):
            return found
        if source in self._pulled:
            raise NotFound(f"No such image: {source.name}")
        raise Missing(source)

    def _fits(self, image: ImageID, source: FromImage) -> bool:
        """Whether an image that is here is for the platform that is asked for; without a wish, any is."""
        wanted = source.platform or (self._platform if self._options.platform else None)
        found = self._store.images.get(image).platform
        return wanted is None or (wanted.os, wanted.architecture) == (found.os, found.architecture)

    def pull(self, source: FromImage) -> Iterator[Progress]:
        """Pulls it, with the login that the client has for its registry."""
        reference = parse_reference(source.name).with_default_tag()
        platform = source.platform or (self._platform if self._options.platform else None)
        login = self._login(reference.registry)
        yield from self._pull(str(reference), platform=str(platform) if platform else "", login=login)
        self._pulled.add(source)

    def _login(self, registry: str) -> Mapping[str, Any]:
        names = (registry, f"https://{registry}", f"https://{registry}/v1/", f"https://index.{registry}/v1/")
        return next((self._options.credentials[name] for name in names if name in self._options.credentials), {})

    def files(self, source: FromImage | NamedContext) -> Files:
        """What COPY --from takes from.

        Raises:
            Missing, Invalid
        """
        if isinstance(source, FromImage):
            return LayeredFiles(self._store.images.get(self.image(source)).diff_ids, self._store.layers, self._folder)
        if source.name not in self._contexts:
            self._contexts[source.name] = self._open_context(source.name, self._options.contexts[source.name])
        return self._contexts[source.name]

    def _open_context(self, name: str, address: str) -> Files:
        if address.startswith(IMAGE):
            return self.files(FromImage(address.removeprefix(IMAGE)))
        if kind_of(address) == "git":
            return fetch_git(parse_git(address), self._folder)
        if kind_of(address) == "url":
            with download(address) as (body, _):
                return read_context(body, self._folder).visible("Dockerfile")
        directory = Path(address.removeprefix(OWN_DIRECTORY))
        if not directory.is_dir():
            raise Invalid(f"build context {name!r}: {str(directory)!r} is not a directory")
        return files_of_directory(directory, self._folder)
