"""The same image on any day: ``kit.seal``.

Two builds whose layers are equal still give two images, because the configuration tells when each was made, and some
builders add the container's name. A seal keeps the layers and what a container runs with, and sets every date to one
that was chosen. Builders that know SOURCE_DATE_EPOCH do it themselves, and do the files' times as well.

Source: reproducible-builds.org, "SOURCE_DATE_EPOCH"; OCI image-spec, config.md, "Properties".
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from kit.errors import Invalid
from kit.lab import archive
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.images import Image, image
from kit.lab.ledger import note
from kit.lab.names import name_of
from kit.lab.saved import read_saved
from kit.oci.config import ImageConfig
from kit.oci.reference import parse_reference


def seal(reference: "str | Image", tag: str, *, date: int = 0, lab: Lab | None = None) -> Image:
    """The image with every date set to ``date`` (seconds since 1970), under the name ``tag``.

    Images with equal layers and equal settings, made by the same instructions, become one image.

    Raises:
        NoSuchImage: there is no ``reference``. Invalid: no image can have the name, or no day the date.
    """
    lab = lab or connect()
    name = parse_reference(tag).with_default_tag().familiar
    try:
        day = datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(f"{date!r} is no date in seconds since 1970") from error
    with tempfile.TemporaryDirectory(prefix="layerlab-seal-") as directory, asking(lab, name_of(reference)):
        places = (Path(directory, f"{number}.tar") for number in itertools.count())
        lab.client.api.inspect_image(name_of(reference))
        saved = read_saved(lab.client.api.get_image(name_of(reference)), lambda layer: _keep(layer, places))
        before = saved.config()
        config = ImageConfig.of(
            run=before.run,
            diff_ids=before.diff_ids,
            history=[replace(line, created=day) for line in before.history],
            platform=before.platform,
            created=day,
        )
        lab.client.images.load(archive.pack(name, config, *(saved.layers[diff_id] for diff_id in before.diff_ids)))
    note(lab.home, name, config.id)
    return image(name, lab=lab)


def _keep(layer: BinaryIO, places: Iterator[Path]) -> Path:
    """Writes a layer's tar to the next place."""
    place = next(places)
    with place.open("wb") as out:
        shutil.copyfileobj(layer, out)
    return place
