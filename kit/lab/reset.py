"""Starting over: ``kit.reset`` removes what a notebook made, and nothing else."""

from contextlib import suppress

from kit.errors import Conflict
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.images import NoSuchImage
from kit.lab.ledger import Made, cross_out, made_by, maker, notebook_id
from kit.views.models.lesson import Removed


def reset(notebook: str, *, lab: Lab | None = None) -> Removed:
    """Remove the names that the notebook of this number gave to images, and its images that then have none.

    A name that leads to another image by now is somebody else's and stays; so does one that a container uses.
    Points and guesses stay, too. Where nobody tells which notebook this is, what this very process made counts.
    """
    lab = lab or connect()
    made = made_by(lab.home, notebook, *([] if notebook_id() else [maker()]))
    removed, kept, gone = list[str](), list[tuple[str, str]](), list[Made]()
    for one in made:
        try:
            if one.name and _leads_to(lab, one):
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
