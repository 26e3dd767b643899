"""``docker import``: a root file system as a tar becomes an image of one layer.

Source: dockerd's "image_import.go".
"""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from kit.engine.containers import clock
from kit.engine.containers.changes import apply_changes
from kit.engine.store.store import Store
from kit.errors import Invalid
from kit.layer.headers import Readable
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import Platform
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference

PATIENCE = 60.0
"""Seconds that a web server may be silent."""


def import_tar(
    store: Store, tar: Readable, *, name: str, message: str, changes: Iterable[str], platform: Platform
) -> ImageID:
    """Makes the image and names it; nothing is kept of a tar that is bad.

    Raises:
        Invalid: a name, a change or a tar that can't be.
    """
    reference = parse_reference(name) if name else None
    if reference is not None and reference.digest:
        raise Invalid("cannot import digest reference")
    run = apply_changes(RunConfig(), tuple(changes))
    layer = store.layers.add(tar)
    created = clock.as_text(clock.now())
    config = ImageConfig.of(
        run=run,
        diff_ids=(layer.diff_id,),
        history=(History(created=created, comment=message),),
        platform=platform,
        created=created,
        extra={"comment": message},
    )
    image = store.images.put(config)
    if reference is not None:
        store.images.tag(reference, image)
    return image


@contextmanager
def downloaded(address: str) -> Iterator[Readable]:
    """What a web address holds, to be read once.

    Raises:
        Invalid: it is no web address, or nothing is there.
    """
    address = address if "://" in address else f"http://{address}"
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise Invalid(f"an image is imported from http or https, not from {address!r}")
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            yield cast(Readable, answer)
    except (urllib.error.URLError, TimeoutError) as error:
        raise Invalid(f"error downloading {address}: {error}") from error
