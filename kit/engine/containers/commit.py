"""``docker commit``: what a container wrote becomes one more layer, its settings an image's defaults.

Source: Docker Engine API, "ImageCommit"; dockerd's "commit.go" and "NewChildImage" for the config and history.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from kit.engine.containers import clock, settings
from kit.engine.containers.changes import apply_changes
from kit.engine.containers.container import Container
from kit.engine.containers.lifecycle import Lifecycle
from kit.engine.containers.services import Services
from kit.engine.containers.states import State
from kit.errors import Conflict
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.digest import ImageID
from kit.oci.reference import parse_reference


@dataclass(frozen=True)
class CommitOptions:
    """What the client adds. ``name`` is the new image's, "" for none; ``config`` a partial ``Config``."""

    name: str = ""
    comment: str = ""
    author: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)


def commit(services: Services, lifecycle: Lifecycle, container: Container, options: CommitOptions) -> ImageID:
    """Makes the image and names it.

    Raises:
        Invalid: a name or a change that can't be.
        Conflict: the container is being removed.
    """
    reference = parse_reference(options.name).with_default_tag() if options.name else None
    run = _run_config(container, options)
    if container.state in (State.REMOVING, State.DEAD):
        raise Conflict(f"You cannot commit container {container.id} which is {container.state.value}")
    with ExitStack() as after:
        with container.lock:
            if options.pause and container.state is State.RUNNING:
                lifecycle.pause(container)
                after.callback(_unpause, lifecycle, container)
        layer = services.store.rootfs.open(container.id).snapshot()
    parent = services.store.images.get(container.image)
    created = clock.as_text(clock.now())
    line = History(
        created_by=" ".join(container.settings.config["Cmd"] or ()),
        created=created,
        author=options.author,
        comment=options.comment,
        empty_layer=layer is None,
    )
    config = ImageConfig.of(
        run=run,
        diff_ids=(*parent.diff_ids, *([layer.diff_id] if layer is not None else [])),
        history=(*_whole_history(parent), line),
        platform=parent.platform,
        created=created,
        author=options.author,
        extra={
            "container": container.id,
            "container_config": container.settings.config,
            **({"comment": options.comment} if options.comment else {}),
        },
    )
    image = services.store.images.put(config, parent=container.image)
    if reference is not None:
        services.store.images.tag(reference, image)
    services.tell(container, "commit", comment=options.comment, imageID=image, imageRef=str(reference or ""))
    return image


def _unpause(lifecycle: Lifecycle, container: Container) -> None:
    """Lets it go on, unless it ended meanwhile: a process that was about to exit may still do so."""
    with suppress(Conflict):
        lifecycle.unpause(container)


def _run_config(container: Container, options: CommitOptions) -> RunConfig:
    """The container's settings with the client's over them; its own ONBUILD lines have done their work."""
    own = replace(RunConfig.of_json(container.settings.config), on_build=())
    merged = settings.merged(options.config, own)
    return apply_changes(RunConfig.of_json(merged), options.changes)


def _whole_history(parent: ImageConfig) -> Iterable[History]:
    """A line for each layer, also where the parent tells nothing."""
    return parent.history or tuple(History(created=parent.created) for _ in parent.diff_ids)
