"""Which images a client wants to see: the filters of ``docker images``.

Source: Docker Engine API, "ImageList"; dockerd's "images.go"; Go's path.Match for patterns of references.
"""

import re
from collections.abc import Iterable
from functools import partial

from kit.engine.containers.filters import Filters
from kit.engine.images.documents import Json, moment, summary
from kit.engine.store.images import Images
from kit.engine.store.store import Store
from kit.oci.digest import ImageID
from kit.oci.reference import Reference

KEYS = ("dangling", "label", "label!", "before", "since", "reference", "until")


def rows(store: Store, wanted: Filters, *, everything: bool) -> list[Json]:
    """Newest first. Without ``everything`` those that only others were built on are left out.

    Raises:
        Invalid: an unknown filter or value.
        ImageNotFound: ``before`` or ``since`` names no image.
    """
    wanted.check(*KEYS)
    found = []
    for image in between(store.images, wanted):
        config = store.images.get(image)
        tags, digests = store.images.references(image), store.images.repo_digests(image)
        nameless = not tags and not digests
        if not wanted.labels(config.run.labels) or not wanted.flag("dangling", partial(bool, nameless)):
            continue
        if nameless:
            hidden = "reference" in wanted or (not everything and store.images.children(image))
            if not hidden:
                found.append((config, summary(store, image, [], [])))
            continue
        shown = [_matching(wanted, names) for names in (tags, digests)]
        if any(shown):
            found.append((config, summary(store, image, *shown)))
    found.sort(key=lambda pair: moment(pair[0]), reverse=True)
    return [row for _, row in found]


def between(images: Images, wanted: Filters) -> Iterable[ImageID]:
    """The images made between those that the filters name."""
    before = [moment(images.get(images.resolve(text))) for text in wanted.values("before")]
    since = [moment(images.get(images.resolve(text))) for text in wanted.values("since")]
    for image in images.all():
        made = moment(images.get(image))
        if all(made < time for time in before) and all(made > time for time in since):
            yield image


def _matching(wanted: Filters, references: Iterable[Reference]) -> list[str]:
    patterns = [_compiled(pattern) for pattern in wanted.values("reference")]
    return [
        reference.familiar
        for reference in references
        if not patterns
        or any(shape.fullmatch(text) for shape in patterns for text in (reference.familiar, reference.familiar_name))
    ]


def _compiled(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` stop at a slash, as in Go."""
    tokens = re.findall(r"\[\^?[^\]]*\]|\\.|.", pattern)
    words = {"*": "[^/]*", "?": "[^/]"}
    parts = (
        token if token[0] in "[\\" and len(token) > 1 else words.get(token) or re.escape(token) for token in tokens
    )
    return re.compile("".join(parts))
