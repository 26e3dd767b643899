"""The images that the course builds upon, made here from Debian's packages.

``debian:13``, ``busybox:1``, ``web:1``, ``tools:1`` and ``nodejs:20`` are made once, as root file system tars under
``home/parents``, and loaded into any engine from there. The same packages give the same tar, byte for byte and
whoever made it, and the image around it is always the same, so every learner's parent has the same image ID. With
``LAYERLAB_PARENTS=hub`` those that Docker Hub has are pulled instead; with ``LAYERLAB_PARENTS=/a/directory`` the tars
that somebody else has made are taken from there, as in a classroom or on a hub.

An image that somebody pulled under one of these names is left as it is: it serves as well.

Source: mmdebstrap(1); debuerreotype, scripts/.docker-image.sh, for what Docker's Debian image has beyond
"minbase"; reproducible-builds.org, SOURCE_DATE_EPOCH.
"""

import fcntl
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from kit.errors import Invalid, Unavailable
from kit.lab import archive, canonical
from kit.lab.javascript import NODEJS
from kit.lab.rootfs import BUSYBOX, DEBIAN, SOURCE_DATE, SOURCE_DATE_EPOCH, WEB, Recipe
from kit.lab.toolchain import TOOLS
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import DiffID

RECIPES: Mapping[str, Recipe] = {
    "busybox:1": BUSYBOX,
    "debian:13": DEBIAN,
    "nodejs:20": NODEJS,
    "tools:1": TOOLS,
    "web:1": WEB,
}
USUAL = [name for name, recipe in RECIPES.items() if recipe.usual]
"""Those that nearly every notebook needs; a notebook that needs another one asks for it."""

_MARK = "layerlab parent "
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Parent:
    """A parent image that is now in the engine. ``origin`` is "there", "made" or "pulled"."""

    name: str
    image_id: str
    origin: str


def make_parents(
    client: docker.DockerClient,
    names: Iterable[str],
    home: Path,
    progress: Progress = lambda line: None,
    *,
    environment: Mapping[str, str] = os.environ,
) -> list[Parent]:
    """The named parents, each made or pulled unless the engine has it. May be repeated.

    Raises:
        Invalid: there is no such parent; nothing is made.
        Unavailable: a tool or the network is missing; the text says which, and what to install.
    """
    names = list(names)
    for name in names:
        if name not in RECIPES:
            raise Invalid(f"no parent image is called {name!r}: there are {', '.join(sorted(RECIPES))}")
    return [_make(client, name, home, progress, environment) for name in names]


def root_tar(
    name: str, home: Path, progress: Progress = lambda line: None, *, client: docker.DockerClient | None = None
) -> Path:
    """The parent's root file system as a tar, made if it is not under ``home`` yet.

    ``client``: an engine that helps an ordinary user to make it, where his own rights don't suffice.
    """
    recipe = RECIPES[name]
    directory = home / "parents"
    directory.mkdir(parents=True, exist_ok=True)
    tar = directory / _file_name(name)
    with _only_one(directory / ".lock"):
        if not tar.exists():
            progress(f"{name}: making the root file system")
            raw, half = tar.with_suffix(".raw"), tar.with_suffix(".half")
            try:
                _make_raw(recipe, raw, progress, client)
                canonical.write(raw, half, latest=SOURCE_DATE_EPOCH)
                _settle(half, tar)
            finally:
                raw.unlink(missing_ok=True)
                half.unlink(missing_ok=True)
    return tar


def _make_raw(recipe: Recipe, raw: Path, progress: Progress, client: docker.DockerClient | None) -> None:
    try:
        recipe.make(raw, progress)
    except Unavailable as reason:
        if client is None or recipe.make_in_engine is None:
            raise
        progress(str(reason))
        recipe.make_in_engine(client, raw, progress)


def _make(
    client: docker.DockerClient, name: str, home: Path, progress: Progress, environment: Mapping[str, str]
) -> Parent:
    recipe = RECIPES[name]
    mark = _MARK + recipe.digest[:12]
    if _is_there(client, name, mark):
        progress(f"{name}: is there")
        return Parent(name, client.images.get(name).id, "there")
    if recipe.on_hub and environment.get("LAYERLAB_PARENTS") == "hub":
        progress(f"{name}: pulling")
        return Parent(name, client.images.pull(name).id, "pulled")
    tar = _find_ready(name, environment) or root_tar(name, home, progress, client=client)
    config = _config(archive.diff_id(tar), recipe, mark)
    progress(f"{name}: loading into the engine")
    client.images.load(archive.pack(name, config, tar))
    return Parent(name, client.images.get(name).id, "made")


def _find_ready(name: str, environment: Mapping[str, str]) -> Path | None:
    """The tar in the directory that LAYERLAB_PARENTS names."""
    place = environment.get("LAYERLAB_PARENTS", "")
    tar = Path(place) / _file_name(name)
    return tar if os.path.isabs(place) and tar.is_file() else None


def _file_name(name: str) -> str:
    """It tells the recipe, so that what an older one made is not taken for it."""
    return f"{name.replace(':', '-')}-{RECIPES[name].digest[:12]}.tar"


def _is_there(client: docker.DockerClient, name: str, mark: str) -> bool:
    """Whether the engine's image of that name is this recipe's, or none of ours."""
    try:
        history = client.api.history(name)
    except docker.errors.ImageNotFound:
        return False
    comment = (history[-1].get("Comment") or "") if history else ""
    return comment == mark or not comment.startswith(_MARK)


def _config(diff_id: DiffID, recipe: Recipe, mark: str) -> ImageConfig:
    machine = platform.machine()
    return ImageConfig.of(
        run=RunConfig(env=(_PATH,), cmd=recipe.command),
        diff_ids=[diff_id],
        history=[History(created=SOURCE_DATE, created_by=recipe.title, comment=mark)],
        platform=Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine)),
        created=SOURCE_DATE,
    )


def _settle(half: Path, tar: Path) -> None:
    """Gives a finished file its name: whatever has the name is whole."""
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(tar)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """One process at a time. The lock ends with its holder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
