"""Networks: which containers know each other by name.

Every container has one loopback address of its own (``addresses``) and reaches every other by address. What a
network adds is names: on a user network each container finds the others by name and alias, in its
``/etc/hosts``. ``bridge``, ``host`` and ``none`` always exist and give no names.

Source: Docker Engine API, "Network"; libnetwork's refusals.
"""

import ipaddress
import secrets
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kit.engine.containers import clock
from kit.engine.containers.events import Emit
from kit.engine.containers.filters import Filters
from kit.engine.isolators import addresses
from kit.engine.store.store import Store
from kit.errors import Conflict, Denied, Invalid, KitError, NotFound

KIND = "network"
Json = dict[str, Any]
PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
"""Name to driver."""

_BRIDGE_OPTIONS = {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.bridge.name": "lo",
    "com.docker.network.driver.mtu": "1500",
}


class NoSuchNetwork(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"network {name} not found")


class NetworkExists(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(f"network with name {name} already exists")


class ActiveEndpoints(Denied):
    """Running containers are on it."""

    def __init__(self, network: Mapping[str, Any]) -> None:
        super().__init__(
            f"error while removing network: network {network['Name']} id {network['Id']} has active endpoints"
        )


class NotAManager(KitError):
    """The driver needs a swarm, which this engine has none of."""

    def __init__(self) -> None:
        super().__init__(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
            "to swarm and try again."
        )


class NoSuchPlugin(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f'plugin "{name}" not found')


Members = Callable[[str], Mapping[str, Json]]
"""Network name to the rows of its running containers, by container id."""


class Networks:
    """All networks of the engine. ``members`` tells who is on one now, ``users`` also those that don't run."""

    def __init__(self, store: Store, *, members: Members, emit: Emit) -> None:
        self._documents, self._members, self._emit = store.documents, members, emit
        self._lock = threading.Lock()
        known = {document["Name"] for document in self._all()}
        for name, driver in PREDEFINED.items():
            if name not in known:
                self._save(self._document(name, driver, {}))

    def _all(self) -> list[Json]:
        return [dict(document) for document in self._documents.all(KIND).values()]

    def _save(self, document: Json) -> None:
        self._documents.put(KIND, document["Id"], document)

    def create(self, body: Mapping[str, Any]) -> Json:
        """Makes a network of the create request's body.

        Raises:
            Invalid, Denied, NetworkExists, NoSuchPlugin, NotAManager
        """
        name, driver = str(body.get("Name") or ""), str(body.get("Driver") or "bridge")
        if not name.strip():
            raise Invalid(f"invalid name: {name}")
        if name in PREDEFINED:
            raise Denied(f"operation is not permitted on predefined {name} network")
        if driver in ("host", "null"):
            raise Denied(f'only one instance of "{driver}" network is allowed')
        if driver == "overlay":
            raise NotAManager
        if driver != "bridge":
            raise NoSuchPlugin(driver)
        for key in ("Labels", "Options"):
            if body.get(key) is not None and not isinstance(body[key], dict):
                raise Invalid(
                    f"json: cannot unmarshal array into Go struct field NetworkCreateRequest.{key} "
                    "of type map[string]string"
                )
        with self._lock:
            if any(document["Name"] == name for document in self._all()):
                raise NetworkExists(name)
            document = self._document(name, driver, body)
            self._save(document)
        self._emit(KIND, "create", document["Id"], {"name": name, "type": driver})
        return document

    @staticmethod
    def _document(name: str, driver: str, body: Mapping[str, Any]) -> Json:
        options = _BRIDGE_OPTIONS if name == "bridge" else body.get("Options") or {}
        return {
            "Name": name,
            "Id": secrets.token_hex(32),
            "Created": clock.as_text(clock.now()),
            "Scope": "local",
            "Driver": driver,
            "EnableIPv6": bool(body.get("EnableIPv6")),
            "IPAM": _ipam(body.get("IPAM") or {}, driver),
            "Internal": bool(body.get("Internal")),
            "Attachable": bool(body.get("Attachable")),
            "Ingress": bool(body.get("Ingress")),
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Options": dict(options),
            "Labels": dict(body.get("Labels") or {}),
        }

    def find(self, text: str) -> Json:
        """By id, name or unique beginning of an id.

        Raises:
            NoSuchNetwork
            Invalid: several networks' ids begin like this.
        """
        rows = self._all()
        exact = [row for row in rows if row["Id"] == text] or [row for row in rows if row["Name"] == text]
        found = exact or [row for row in rows if text and row["Id"].startswith(text)]
        if len(found) > 1:
            raise Invalid(f"network {text} is ambiguous ({len(found)} matches found based on ID prefix)")
        if not found:
            raise NoSuchNetwork(text)
        return found[0]

    def inspect(self, text: str, *, scope: str = "") -> Json:
        """Docker's document, with the running containers.

        Raises:
            NoSuchNetwork
        """
        document = self.find(text)
        if scope not in ("", document["Scope"]):
            raise NoSuchNetwork(text)
        return self._shown(document, with_members=True)

    def _shown(self, document: Json, *, with_members: bool) -> Json:
        members = dict(self._members(document["Name"])) if with_members else {}
        before = [key for key in document if key not in ("Options", "Labels")]
        return {
            **{key: document[key] for key in before},
            "Containers": members,
            "Options": document["Options"],
            "Labels": document["Labels"],
        }

    def list(self, wanted: Filters) -> list[Json]:
        """Documents, newest first as in Docker. Filters: id, name, driver, label, scope, type, dangling."""
        wanted.check("id", "name", "driver", "label", "scope", "type", "dangling")
        return [
            self._shown(row, with_members=False)
            for row in sorted(self._all(), key=lambda row: str(row["Created"]), reverse=True)
            if wanted.prefix("id", row["Id"])
            and wanted.part("name", row["Name"])
            and wanted.one_of("driver", [row["Driver"]])
            and wanted.one_of("scope", [row["Scope"]])
            and wanted.one_of("type", ["builtin" if row["Name"] in PREDEFINED else "custom"])
            and wanted.labels(row["Labels"])
            and wanted.flag("dangling", partial(self._is_unused, row["Name"]))
        ]

    def _is_unused(self, name: str) -> bool:
        return name not in PREDEFINED and not self._members(name)

    def remove(self, text: str) -> None:
        """
        Raises:
            NoSuchNetwork, Denied, ActiveEndpoints
        """
        with self._lock:
            document = self.find(text)
            if document["Name"] in PREDEFINED:
                raise Denied(f"{document['Name']} is a pre-defined network and cannot be removed")
            if self._members(document["Name"]):
                raise ActiveEndpoints(document)
            self._documents.delete(KIND, document["Id"])
        self._emit(KIND, "destroy", document["Id"], {"name": document["Name"], "type": document["Driver"]})

    def prune(self, wanted: Filters) -> Json:
        """Removes user networks that no running container is on. Filters: label, until."""
        wanted.check("label", "label!", "until")
        deleted = []
        for row in self._all():
            if self._is_unused(row["Name"]) and wanted.labels(row["Labels"]):
                self.remove(row["Id"])
                deleted.append(row["Name"])
        return {"NetworksDeleted": deleted or None}


def _ipam(asked: Mapping[str, Any], driver: str) -> Json:
    """Addresses as they are: what the client asked for is kept to be read back."""
    config = [dict(row) for row in asked.get("Config") or () if row]
    for row in config:
        try:
            ipaddress.ip_network(row.get("Subnet") or "0.0.0.0/0", strict=False)
        except ValueError as error:
            raise Invalid(f"invalid CIDR address: {row['Subnet']}") from error
    if not config and driver == "bridge":
        config = [{"Subnet": addresses.SUBNET, "Gateway": addresses.GATEWAY}]
    return {"Driver": asked.get("Driver") or "default", "Options": asked.get("Options"), "Config": config}
