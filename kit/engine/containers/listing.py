"""Which containers a client wants to see: the filters of ``docker ps``.

Source: Docker Engine API, "ContainerList"; dockerd's "list.go".
"""

import re
from collections.abc import Iterable

from kit.engine.containers import clock
from kit.engine.containers.container import Container
from kit.engine.containers.filters import Filters
from kit.engine.containers.roster import Roster
from kit.engine.containers.services import Services
from kit.engine.containers.states import State
from kit.errors import Invalid, KitError
from kit.oci.digest import ImageID

KEYS = (
    "ancestor", "before", "since", "exited", "expose", "health", "id", "is-task", "label", "name", "network",
    "publish", "status", "volume", "isolation",
)  # fmt: skip


def select(services: Services, wanted: Filters, *, everything: bool, limit: int = 0) -> list[Container]:
    """The containers to show, newest first. Without ``everything`` only those that run, unless asked by state.

    Raises:
        Invalid: an unknown filter or value.
        NoSuchContainer: ``before`` or ``since`` names nobody.
    """
    wanted.check(*KEYS)
    for value in wanted.values("status"):
        if value not in set(State):
            raise Invalid(f"invalid filter 'status={value}'")
    everything = everything or bool(limit) or any(key in wanted for key in ("status", "exited", "before", "since"))
    ancestors = _ancestors(services, wanted)
    found = [
        container
        for container in _between(services.roster, wanted)
        if (everything or container.up) and _matches(services, container, wanted, ancestors)
    ]
    return found[:limit] if limit > 0 else found


def _between(roster: Roster, wanted: Filters) -> Iterable[Container]:
    before = [roster.find(text).created for text in wanted.values("before")]
    since = [roster.find(text).created for text in wanted.values("since")]
    for container in roster.all():
        if all(container.created < time for time in before) and all(container.created > time for time in since):
            yield container


def _matches(services: Services, container: Container, wanted: Filters, ancestors: set[ImageID] | None) -> bool:
    return (
        wanted.prefix("id", container.id)
        and wanted.part("name", container.name, f"/{container.name}")
        and wanted.one_of("status", [container.state.value])
        and wanted.labels(container.settings.labels)
        and _exited(container, wanted)
        and wanted.one_of("health", [_health(container)])
        and wanted.one_of("volume", [text for mount in container.mounts for text in (mount.name, mount.target)])
        and _networked(container, wanted)
        and _ports(container, wanted)
        and (ancestors is None or container.image in ancestors)
        and wanted.flag("is-task", lambda: False)
    )


def _exited(container: Container, wanted: Filters) -> bool:
    codes = wanted.values("exited")
    if not all(code.lstrip("-").isdecimal() for code in codes):
        raise Invalid(f"invalid filter 'exited={codes}'")
    if not codes:
        return True
    return container.state is State.EXITED and container.status.exit_code in map(int, codes)


def _health(container: Container) -> str:
    run = container.run
    return run.monitor.verdict.status if run is not None and run.monitor is not None else "none"


def _networked(container: Container, wanted: Filters) -> bool:
    texts = wanted.values("network")
    return not texts or any(
        endpoint.network == text or (len(text) >= 4 and endpoint.network_id.startswith(text))
        for endpoint in container.endpoints.values()
        for text in texts
    )


def _ports(container: Container, wanted: Filters) -> bool:
    exposed = [
        text for port in container.settings.config.get("ExposedPorts") or () for text in (port, port.split("/")[0])
    ]
    published: list[str] = []
    if container.run is not None:
        for binding in container.run.published.bindings:
            published += [binding.port.text, str(binding.port.number), str(binding.host_port)]
    return wanted.one_of("expose", exposed) and wanted.one_of("publish", published)


def _ancestors(services: Services, wanted: Filters) -> set[ImageID] | None:
    """The images named and all that were made on top of them; None if not asked."""
    if "ancestor" not in wanted:
        return None
    images = services.store.images
    found: set[ImageID] = set()
    for text in wanted.values("ancestor"):
        image = images.find(text)
        if image is not None:
            base = images.get(image).diff_ids
            found |= {
                key
                for key in images.all()
                if key == image or (base and images.get(key).diff_ids[: len(base)] == base)
            }
    return found


def prunable(services: Services, wanted: Filters) -> list[Container]:
    """Those that ``docker container prune`` removes. Filters: until, label.

    Raises:
        Invalid
    """
    wanted.check("until", "label", "label!")
    moments = [moment(text) for text in wanted.values("until")]
    return [
        container
        for container in services.roster.all()
        if not container.up
        and wanted.labels(container.settings.labels)
        and all(container.created < time for time in moments)
    ]


_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def moment(text: str) -> int:
    """A point in time, or how long ago ("24h", "1h30m")."""
    try:
        return clock.parse_moment(text)
    except KitError:
        return clock.now() - _go_duration(text)


def _go_duration(text: str) -> int:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Invalid(f"invalid time {text!r}: give a date or a duration like 24h")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))
