"""An image as Docker's documents show it: ``docker inspect``, ``docker images``, ``docker history``.

Source: Docker Engine API, "ImageInspect", "ImageList", "ImageHistory"; the order and the empty values are dockerd's.
"""

from typing import Any

from kit.engine.containers import clock
from kit.engine.store.images import Images
from kit.engine.store.store import Store
from kit.oci.config import ImageConfig
from kit.oci.digest import ImageID

Json = dict[str, Any]
DRIVER = "layerlab"
_CONFIG: Json = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}  # fmt: skip
"""What dockerd tells of a config that says nothing."""


def inspect(store: Store, image: ImageID) -> Json:
    """``GET /images/NAME/json``."""
    config = store.images.get(image)
    document = config.document
    size = store.images.size(image)
    tagged = int(store.images.tagged(image) * clock.SECOND)
    more: Json = {"Variant": config.platform.variant} if config.platform.variant else {}
    return {
        "Id": image,
        "RepoTags": names(store.images, image),
        "RepoDigests": digests(store.images, image),
        "Parent": store.images.parent(image) or "",
        "Comment": document.get("comment") or (config.history[-1].comment if config.history else ""),
        "Created": config.created or clock.NEVER,
        "Container": document.get("container") or "",
        "ContainerConfig": _CONFIG | (document.get("container_config") or {}),
        "DockerVersion": document.get("docker_version") or "",
        "Author": config.author,
        "Config": _CONFIG | (document.get("config") or {}),
        "Architecture": config.platform.architecture,
        **more,
        "Os": config.platform.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Data": None, "Name": DRIVER},
        "RootFS": {"Type": "layers", **({"Layers": list(config.diff_ids)} if config.diff_ids else {})},
        "Metadata": {"LastTagTime": clock.as_text(tagged)},
    }


def names(images: Images, image: ImageID) -> list[str]:
    """Its tags, as people type them."""
    return [reference.familiar for reference in images.references(image)]


def digests(images: Images, image: ImageID) -> list[str]:
    """``name@sha256:…`` as registries know it."""
    return [reference.familiar for reference in images.repo_digests(image)]


def moment(config: ImageConfig) -> int:
    """When it was made: Unix seconds; Go's zero time if its config does not say."""
    return clock.parse_moment(config.created or clock.NEVER) // clock.SECOND


def summary(store: Store, image: ImageID, tags: list[str], known: list[str]) -> Json:
    """A row of ``GET /images/json``."""
    config = store.images.get(image)
    size = store.images.size(image)
    nameless = not tags and not known
    return {
        "Containers": -1,
        "Created": moment(config),
        "Id": image,
        "Labels": dict(config.run.labels) or None,
        "ParentId": store.images.parent(image) or "",
        "RepoDigests": ["<none>@<none>"] if nameless else known or None,
        "RepoTags": ["<none>:<none>"] if nameless else tags or None,
        "SharedSize": -1,
        "Size": size,
        "VirtualSize": size,
    }


def history(store: Store, image: ImageID) -> list[Json]:
    """Rows, newest first. A line whose image is not here is ``<missing>``, but for the first."""
    config = store.images.get(image)
    layers = iter(config.diff_ids)
    rows: list[Json] = []
    for line in config.history:
        size = 0 if line.empty_layer else store.layers.get(next(layers)).size
        rows.append(
            {
                "Comment": line.comment,
                "Created": clock.parse_moment(line.created or clock.NEVER) // clock.SECOND,
                "CreatedBy": line.created_by,
                "Id": "<missing>",
                "Size": size,
                "Tags": None,
            }
        )
    rows.reverse()
    at: ImageID | None = image
    for row in rows:
        if at is None:
            break
        row["Id"], row["Tags"] = at, names(store.images, at) or None
        at = store.images.parent(at)
    return rows
