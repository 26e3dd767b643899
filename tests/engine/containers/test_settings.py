"""The body of docker create, checked and completed."""

from typing import Any

import pytest

from kit.engine.containers.limits import warnings
from kit.engine.containers.settings import Settings, complete, signal_number, updated
from kit.errors import Conflict, Invalid
from kit.oci.config import RunConfig

ID = "0123456789abcdef" * 4
IMAGE = RunConfig(
    env=("PATH=/bin", "A=image"),
    entrypoint=("/entry",),
    cmd=("default",),
    user="app",
    working_dir="/srv",
    labels={"a": "image", "b": "image"},
    volumes=("/data",),
    exposed_ports=("80/tcp",),
)


def made(body: dict[str, Any], image: RunConfig = IMAGE) -> Settings:
    return complete(body, image, container=ID, image_name="app")


def test_what_the_client_leaves_open_comes_from_the_image() -> None:
    settings = made({})
    assert settings.argv == ("/entry", "default")
    assert (settings.user, settings.cwd, settings.hostname) == ("app", "/srv", ID[:12])
    assert settings.config["Volumes"] == {"/data": {}}
    assert settings.config["ExposedPorts"] == {"80/tcp": {}}


@pytest.mark.parametrize(
    ("body", "argv"),
    [
        ({"Cmd": ["other"]}, ("/entry", "other")),
        ({"Cmd": "other"}, ("/entry", "other")),
        ({"Entrypoint": ["/new"]}, ("/new",)),
        ({"Entrypoint": "/new", "Cmd": ["x"]}, ("/new", "x")),
        ({"Entrypoint": [""], "Cmd": ["x"]}, ("x",)),
        ({"Entrypoint": [], "Cmd": ["x"]}, ("x",)),
    ],
)
def test_a_new_entrypoint_drops_the_images_command(body: dict[str, Any], argv: tuple[str, ...]) -> None:
    assert made(body).argv == argv


def test_environment_and_labels_are_merged_by_key() -> None:
    settings = made({"Env": ["A=mine", "B"], "Labels": {"a": "mine"}, "Tty": True})
    assert settings.labels == {"a": "mine", "b": "image"}
    assert settings.config["Env"] == ["A=mine", "B", "PATH=/bin"]
    assert settings.environment("/root") == (
        "PATH=/bin", f"HOSTNAME={ID[:12]}", "TERM=xterm", "A=mine", "HOME=/root",
    )  # fmt: skip


def test_published_ports_are_exposed() -> None:
    host = {"PortBindings": {"9000/tcp": [{"HostPort": "9000"}]}}
    assert made({"HostConfig": host}).config["ExposedPorts"] == {"80/tcp": {}, "9000/tcp": {}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"WorkingDir": "rel"}, "the working directory 'rel' is invalid, it needs to be an absolute path"),
        ({"Env": ["=a"]}, "invalid environment variable: =a"),
        ({"StopSignal": "FOO"}, "Invalid signal: FOO"),
        (
            {"HostConfig": {"LogConfig": {"Type": "asdf"}}},
            'error looking up logging plugin asdf: plugin "asdf" not found',
        ),
        ({"HostConfig": {"PortBindings": {"x/tcp": [{}]}}}, 'invalid port specification: "x"'),
        ({"HostConfig": {"RestartPolicy": {"Name": "foo"}}}, "invalid restart policy 'foo'"),
        (
            {"HostConfig": {"RestartPolicy": {"Name": "always"}, "AutoRemove": True}},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({"HostConfig": {"Memory": 1000}}, "Minimum memory limit allowed is 6MB"),
        ({"HostConfig": {"ExtraHosts": ["nocolon"]}}, 'bad format for add-host: "nocolon"'),
        ({"Healthcheck": {"Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        (
            {"Env": {"A": "b"}, "Labels": ["a"]},
            "json: cannot unmarshal array into Go struct field ContainerConfigWrapper.Labels of type object",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_dockers_words(body: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        made(body)
    assert str(refusal.value) == text


def test_a_container_needs_a_command() -> None:
    with pytest.raises(Invalid, match="No command specified"):
        made({}, RunConfig())


def test_limits_that_nothing_enforces_are_kept_and_warned_of() -> None:
    host = {"CpuShares": 512, "Memory": 64 << 20}
    assert made({"HostConfig": host}).host["CpuShares"] == 512
    assert any("CPU shares" in text for text in warnings(host))
    assert warnings({}) == []


def test_an_update_changes_limits_and_the_policy_only() -> None:
    before = made({})
    after = updated(
        before, {"CpuShares": 3, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "User": "x"}
    )
    assert (after.host["CpuShares"], after.restart_name, after.restart_limit) == (3, "on-failure", 2)
    assert after.config == before.config
    with pytest.raises(Conflict, match="AutoRemove is enabled"):
        updated(made({"HostConfig": {"AutoRemove": True}}), {"RestartPolicy": {"Name": "always"}})


@pytest.mark.parametrize(("text", "number"), [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN+1", 35)])
def test_a_signal_has_a_name_or_a_number(text: str, number: int) -> None:
    assert signal_number(text) == number


def test_health_has_dockers_defaults() -> None:
    health = made({"Healthcheck": {"Test": ["CMD-SHELL", "true"]}}).health
    assert health is not None
    assert (health.test, health.interval, health.timeout, health.retries) == (("/bin/sh", "-c", "true"), 30, 30, 3)
    assert made({"Healthcheck": {"Test": ["NONE"]}}).health is None
