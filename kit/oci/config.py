"""The image config: what a container of the image runs with, and how the layers came to be.

The config names the layers by diff_id, bottom first, tells one history line for each
instruction (with or without a layer) and holds the defaults of a container: environment,
command, user. Its own digest is the image ID.

Source: OCI image-spec, config.md; the keys that only Docker knows (Healthcheck, OnBuild, Shell): Docker
Engine API, "Config".
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kit.errors import Invalid
from kit.oci.descriptor import Platform
from kit.oci.digest import ChainID, DiffID, ImageID, chain_id, digest_of, parse_digest


@dataclass(frozen=True)
class RunConfig:
    """The defaults of a container: what ENV, CMD, USER and their like write.

    ``cmd`` and ``entrypoint`` are None when never set, and () when set to nothing.
    ``env`` holds ``KEY=value`` strings in order. ``shell`` () is the builder's default.
    """

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: Mapping[str, Any] | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    args_escaped: bool = False

    @classmethod
    def of_json(cls, data: Mapping[str, Any] | None) -> "RunConfig":
        data = data or {}
        return cls(
            user=data.get("User") or "",
            exposed_ports=tuple(sorted(data.get("ExposedPorts") or {})),
            env=tuple(data.get("Env") or ()),
            entrypoint=_words(data.get("Entrypoint")),
            cmd=_words(data.get("Cmd")),
            volumes=tuple(sorted(data.get("Volumes") or {})),
            working_dir=data.get("WorkingDir") or "",
            labels=dict(data.get("Labels") or {}),
            stop_signal=data.get("StopSignal") or "",
            healthcheck=data.get("Healthcheck"),
            on_build=tuple(data.get("OnBuild") or ()),
            shell=tuple(data.get("Shell") or ()),
            args_escaped=bool(data.get("ArgsEscaped")),
        )

    def to_json(self) -> dict[str, Any]:
        """Docker's keys. What was never set is left out, as the OCI config has it."""
        data: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": None if self.entrypoint is None else list(self.entrypoint),
            "Cmd": None if self.cmd is None else list(self.cmd),
            "Healthcheck": dict(self.healthcheck) if self.healthcheck else None,
            "ArgsEscaped": self.args_escaped,
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_dir,
            "OnBuild": list(self.on_build),
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Shell": list(self.shell),
        }
        return {key: value for key, value in data.items() if value or (key in ("Cmd", "Entrypoint") and value == [])}

    @property
    def argv(self) -> tuple[str, ...]:
        """What a container starts: ENTRYPOINT, then CMD."""
        return (self.entrypoint or ()) + (self.cmd or ())

    def with_env(self, key: str, value: str) -> "RunConfig":
        """``key`` set to ``value``, in its old place if it had one."""
        line = f"{key}={value}"
        if key in self.environment:
            return replace(self, env=tuple(line if old.partition("=")[0] == key else old for old in self.env))
        return replace(self, env=(*self.env, line))

    @property
    def environment(self) -> dict[str, str]:
        return {key: value for key, _, value in (line.partition("=") for line in self.env)}


def _words(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(map(str, value))
    raise Invalid(f"a command must be a list of words, not {value!r}")


@dataclass(frozen=True)
class History:
    """One line of an image's history: an instruction, with a layer unless ``empty_layer``."""

    created_by: str = ""
    created: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "History":
        return cls(
            created_by=data.get("created_by") or "",
            created=data.get("created") or "",
            author=data.get("author") or "",
            comment=data.get("comment") or "",
            empty_layer=bool(data.get("empty_layer")),
        )

    def to_json(self) -> dict[str, Any]:
        keys = ("created", "created_by", "author", "comment", "empty_layer")
        return {key: getattr(self, key) for key in keys if getattr(self, key)}


@dataclass(frozen=True)
class ImageConfig:
    """A whole image config. ``raw`` is what the image ID is over."""

    raw: bytes
    run: RunConfig
    diff_ids: tuple[DiffID, ...]
    history: tuple[History, ...]
    platform: Platform
    created: str = ""
    author: str = ""

    @property
    def id(self) -> ImageID:
        return ImageID(digest_of(self.raw))

    @property
    def chain_id(self) -> ChainID | None:
        return chain_id(self.diff_ids)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON as it was stored, with keys that this class does not name."""
        document: dict[str, Any] = json.loads(self.raw)
        return document

    @classmethod
    def of(
        cls,
        *,
        run: RunConfig = RunConfig(),
        diff_ids: Iterable[DiffID] = (),
        history: Iterable[History] = (),
        platform: Platform = Platform(),
        created: str = "",
        author: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> "ImageConfig":
        """A new config, written as compact JSON. Layers and history bottom first; ``created`` is RFC 3339.

        ``extra`` holds more top-level keys (Docker's ``container_config``, ``docker_version``).
        """
        document = {
            **platform.to_json(),
            **({"author": author} if author else {}),
            **({"created": created} if created else {}),
            "config": run.to_json(),
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "history": [line.to_json() for line in history],
            **(extra or {}),
        }
        return cls.parse(json.dumps(document, separators=(",", ":")).encode())

    @classmethod
    def parse(cls, raw: bytes) -> "ImageConfig":
        """The config in ``raw``.

        Raises:
            Invalid: not an image config, or its history and layers do not belong together.
        """
        try:
            data = json.loads(raw)
            diff_ids = tuple(DiffID(parse_digest(text)) for text in data["rootfs"].get("diff_ids") or ())
            history = tuple(History.of_json(line) for line in data.get("history") or ())
            run = RunConfig.of_json(data.get("config"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Invalid(f"this is not an image config: {error!r}") from error
        layered = sum(not line.empty_layer for line in history)
        if history and layered != len(diff_ids):
            raise Invalid(f"the image config tells of {layered} layers in its history but names {len(diff_ids)}")
        return cls(
            raw=raw,
            run=run,
            diff_ids=diff_ids,
            history=history,
            platform=Platform.of_json(data),
            created=data.get("created") or "",
            author=data.get("author") or "",
        )
