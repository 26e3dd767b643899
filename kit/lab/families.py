"""Who stands on whom: ``kit.family``."""

from kit.errors import Invalid
from kit.lab.connect import Lab, connect
from kit.lab.images import Image, image
from kit.lab.names import name_of
from kit.views.models.family import Family, Member


def family(*images: "str | Image", lab: Lab | None = None) -> Family:
    """The family of the images named: who stands on whom, and what is shared. Names of one image are put together.

    Raises:
        NoSuchImage: the engine has none of that name. Invalid: none is named.
    """
    if not images:
        raise Invalid('name some images: kit.family("debian:13", "you/app:1"), or kit.family(*kit.tags("you/"))')
    lab = lab or connect()
    opened: dict[str, tuple[list[str], Image]] = {}
    for reference in images:
        one = image(reference, lab=lab)
        names, _ = opened.setdefault(one.id, ([], one))
        if name_of(reference) not in names:
            names.append(name_of(reference))
    return Family(tuple(_member(names, one) for names, one in opened.values()))


def _member(names: list[str], one: Image) -> Member:
    layers = tuple((layer.diff_id, layer.size) for layer in one.layers)
    return Member(tuple(names), one.id, layers, tuple(line.created_by for line in one.history))
