"""An image tried out, command by command: ``kit.workbench``.

Each command starts from the same state, in a container of its own without a network; ``prepare`` runs one and keeps
what it changed, for the commands after it. Files are read from a container that never starts. What was made goes
with the workbench.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO

import docker

from kit.errors import Invalid, NotFound
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.run import LIMITS, result_of
from kit.oci.config import RunConfig
from kit.views.models.result import Result

LARGEST_FILE = 16 << 20
"""Bytes of a file that is read: more than any text a test looks into."""
TIMEOUT = 60.0


class NoSuchFile(NotFound):
    """The image has no file there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no file {path}")
        self.path = path


class Workbench:
    """``reference`` as it is, and as ``prepare`` and ``set_environment`` have changed it."""

    def __init__(self, reference: str, lab: Lab) -> None:
        self._lab, self._api, self._image = lab, lab.client.api, reference
        self._made = list[str]()
        with asking(lab, reference):
            self._api.inspect_image(reference)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a container has now."""
        with asking(self._lab, self._image):
            return RunConfig.of_json(self._api.inspect_image(self._image).get("Config")).environment

    def run(self, command: Sequence[str], environment: Mapping[str, str] = {}, user: str = "") -> Result:
        """Runs ``command`` without the image's entrypoint; nothing that it changes is kept."""
        with self._container(command, environment, user) as container:
            return result_of(self._api, container, self._image, tuple(command), TIMEOUT)

    def prepare(self, command: Sequence[str], environment: Mapping[str, str] = {}, user: str = "") -> Result:
        """Runs ``command``, whatever its exit code, and keeps what it changed, for what comes after."""
        with self._container(command, environment, user) as container:
            result = result_of(self._api, container, self._image, tuple(command), TIMEOUT)
            if result.started:
                self._keep(container)
            return result

    def set_environment(self, environment: Mapping[str, str]) -> None:
        """Gives all further containers these variables, too."""
        with self._container(["-"], environment, "") as container:
            self._keep(container)

    def read(self, path: str) -> bytes | str:
        """The bytes of a file; of a symbolic link the path that it names.

        Raises:
            NoSuchFile: nothing is there. Invalid: it is a directory or a device, or too large.
        """
        with self._container(["-"], {}, "") as container, asking(self._lab, self._image):
            try:
                pieces, facts = self._api.get_archive(container, path)
            except docker.errors.NotFound as error:
                raise NoSuchFile(path) from error
            if facts.get("size", 0) > LARGEST_FILE:
                raise Invalid(f"{path} is larger than {LARGEST_FILE:,} bytes")
            with tarfile.open(fileobj=BytesIO(b"".join(_bounded(pieces, path)))) as tar:
                entry = next(iter(tar))
                if entry.issym():
                    return entry.linkname
                file = tar.extractfile(entry) if entry.isfile() else None
                if file is None:
                    raise Invalid(f"{path} is no file that can be read")
                return file.read()

    def close(self) -> None:
        for image in reversed(self._made):
            with suppress(NotFound), asking(self._lab, image):  # an engine removes what stood below it, too
                self._api.remove_image(image, force=True)
        self._made = []

    @contextmanager
    def _container(self, command: Sequence[str], environment: Mapping[str, str], user: str) -> Iterator[str]:
        variables = [f"{name}={value}" for name, value in environment.items()]
        limits = self._api.create_host_config(network_mode="none", **LIMITS)
        with asking(self._lab, self._image):
            made = self._api.create_container(
                self._image, list(command), entrypoint=[""], environment=variables, user=user, host_config=limits
            )["Id"]
            try:
                yield made
            finally:
                self._api.remove_container(made, force=True, v=True)

    def _keep(self, container: str) -> None:
        self._image = self._api.commit(container)["Id"]
        self._made.append(self._image)


def _bounded(pieces: Iterator[bytes], path: str) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LARGEST_FILE + (1 << 20):
            raise Invalid(f"{path} is larger than {LARGEST_FILE:,} bytes")
        yield piece


@contextmanager
def workbench(reference: str, *, lab: Lab | None = None) -> Iterator[Workbench]:
    """A workbench with the image ``reference``.

    Raises:
        NoSuchImage: the engine has none of that name.
    """
    found = Workbench(reference, lab or connect())
    try:
        yield found
    finally:
        found.close()
