"""Starting over: ``kit.reset`` removes what a notebook made, and nothing else.

What the kit made is written down. What a notebook makes through the engine itself is told by its name: containers
of notebook 01 are called ``ex01-…`` and its images ``ex01/…``, those of its assignment ``a01-…`` and ``a01/…``; so
are its repositories in the local registry.
"""

from collections.abc import Iterator
from contextlib import suppress

from kit.errors import Conflict
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.images import NoSuchImage
from kit.lab.ledger import PUSHED, Made, cross_out, made_by, maker, notebook_id
from kit.lab.registry import forget
from kit.views.models.lesson import Removed


def reset(notebook: str, *, lab: Lab | None = None) -> Removed:
    """Remove the notebook's containers, the names that it gave to images, and its images that then have none.

    What it pushed to the local registry goes, too.

    A name that leads to another image by now is somebody else's and stays; so does one that a container uses.
    Points and guesses stay, too. Where nobody tells which notebook this is, what this very process made counts.
    """
    lab = lab or connect()
    stem = notebook if notebook.startswith("a") else f"ex{notebook}"
    removed, kept, gone = list(_remove_containers(lab, f"{stem}-")), list[tuple[str, str]](), list[Made]()
    made = made_by(lab.home, notebook, *([] if notebook_id() else [maker()]))
    made += _named(lab, f"{stem}/")
    for repository in sorted({stem, *_repositories(made)}):
        if forget(lab.home.root, repository, engine=lab.client):
            removed.append(f"{repository} in the registry")
    for one in made:
        try:
            if one.name and not one.name.startswith(PUSHED) and _leads_to(lab, one):
                _remove(lab, one.name)
                removed.append(one.name)
        except Conflict as error:
            kept.append((one.name, str(error)))
        else:
            gone.append(one)
    for image_id in {one.image_id for one in gone}:
        with suppress(Conflict):  # something that is not ours stands on it
            if _has_no_name(lab, image_id):
                _remove(lab, image_id)
    cross_out(lab.home, gone)
    return Removed(notebook, removed, kept)


def _remove_containers(lab: Lab, stem: str) -> Iterator[str]:
    """Removes the containers whose names begin with ``stem``, running or not, with their volumes."""
    with asking(lab):
        for container in lab.client.api.containers(all=True, filters={"name": f"^/?{stem}"}):
            lab.client.api.remove_container(container["Id"], force=True, v=True)
            yield container["Names"][0].removeprefix("/")


def _named(lab: Lab, stem: str) -> Iterator[Made]:
    """The images whose names begin with ``stem``."""
    with asking(lab):
        for image in lab.client.api.images():
            for name in image.get("RepoTags") or ():
                if name.startswith(stem):
                    yield Made("", name, image["Id"])


def _repositories(made: list[Made]) -> Iterator[str]:
    """The repositories of the local registry that were pushed to."""
    return (one.name.removeprefix(PUSHED) for one in made if one.name.startswith(PUSHED))


def _leads_to(lab: Lab, made: Made) -> bool:
    try:
        with asking(lab, made.name):
            return bool(lab.client.api.inspect_image(made.name)["Id"] == made.image_id)
    except NoSuchImage:
        return False


def _has_no_name(lab: Lab, image_id: str) -> bool:
    """Whether the image is still there, under no name at all."""
    try:
        with asking(lab, image_id):
            return not lab.client.api.inspect_image(image_id).get("RepoTags")
    except NoSuchImage:
        return False


def _remove(lab: Lab, name: str) -> None:
    """Raises Conflict when a container, or an image above it, needs it."""
    with asking(lab, name):
        lab.client.api.remove_image(name)
