"""How much room everything takes: ``docker system df``.

Source: Docker Engine API, "SystemDataUsage".
"""

from collections import Counter
from typing import Any

from kit.engine.containers.containers import Containers
from kit.engine.containers.filters import Filters
from kit.engine.store.store import Store

Json = dict[str, Any]


def usage(store: Store, containers: Containers, images: list[Json], cache: list[Json]) -> Json:
    """``images``: rows of ``docker images``; ``cache``: rows of the build cache."""
    sizes = {layer.diff_id: layer.size for layer in store.layers.all()}
    configs = {row["Id"]: store.images.get(row["Id"]) for row in images}
    owners = Counter(diff_id for config in configs.values() for diff_id in set(config.diff_ids))
    for row in images:
        row["SharedSize"] = sum(sizes[diff_id] for diff_id in configs[row["Id"]].diff_ids if owners[diff_id] > 1)
        row["Containers"] = len(containers.users_of_image(row["Id"]))
    volumes = containers.volumes.list(Filters())
    for row in volumes:
        users = containers.users_of_volume(row["Name"])
        row["UsageData"] = {"RefCount": len(users), "Size": containers.volumes.size(row["Name"])}
    return {
        "LayersSize": sum(sizes.values()),
        "Images": images,
        "Containers": containers.list(Filters(), everything=True, size=True),
        "Volumes": volumes,
        "BuildCache": cache,
        "BuilderSize": sum(row["Size"] for row in cache),
    }
