"""-v, --mount, VOLUME: four ways to one value."""

from pathlib import Path

import pytest

from kit.engine.containers.mounts import MountPoint, collect, parse_bind, parse_mount
from kit.errors import Invalid


@pytest.mark.parametrize(
    ("spec", "mount"),
    [
        ("/a:/b", MountPoint("bind", "/b", source="/a", propagation="rprivate", copy=False, from_bind=True)),
        (
            "/a/:/b/:ro",
            MountPoint(
                "bind",
                "/b",
                source="/a",
                read_only=True,
                mode="ro",
                propagation="rprivate",
                copy=False,
                from_bind=True,
            ),
        ),
        ("data:/b", MountPoint("volume", "/b", name="data", mode="z", from_bind=True)),
        ("data:/b:nocopy", MountPoint("volume", "/b", name="data", mode="nocopy", copy=False, from_bind=True)),
        ("/b", MountPoint("volume", "/b", mode="z", anonymous=True, from_bind=True)),
    ],
)
def test_a_bind_is_read_as_docker_does(spec: str, mount: MountPoint) -> None:
    assert parse_bind(spec) == mount


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            "/a:b",
            "invalid volume specification: '/a:b': invalid mount config for type \"bind\": "
            "invalid mount path: 'b' mount path must be absolute",
        ),
        ("/a:/b:xx", "invalid mode: xx"),
        ("/a::/b", "invalid volume specification: '/a::/b'"),
        (
            "rel/ative:/a",
            'create rel/ative: "rel/ative" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
        ),
        (
            "/a:/",
            "invalid volume specification: '/a:/': invalid mount config for type \"bind\": "
            "invalid specification: destination can't be '/'",
        ),
    ],
)
def test_a_bind_that_cannot_be_is_refused_in_dockers_words(spec: str, text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_bind(spec)
    assert str(refusal.value) == text


def test_a_mount_of_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="bind source path does not exist: /does/not/exist"):
        parse_mount({"Type": "bind", "Source": "/does/not/exist", "Target": "/a"})
    assert parse_mount({"Type": "bind", "Source": str(tmp_path), "Target": "/a"}).source == str(tmp_path)


def test_the_images_volume_gives_way_to_what_was_asked_for() -> None:
    host = {"Binds": ["data:/data"], "Tmpfs": {"/run": ""}}
    found = collect(host, ["/data", "/run", "/other"])
    assert [(mount.target, mount.name, mount.anonymous) for mount in found] == [
        ("/data", "data", False),
        ("/other", "", True),
    ]


def test_one_target_is_one_mount() -> None:
    with pytest.raises(Invalid, match="Duplicate mount point: /a"):
        collect({"Binds": ["one:/a", "two:/a/"]}, [])


def test_the_document_is_dockers() -> None:
    assert parse_bind("/a:/b:ro").to_json() == {
        "Type": "bind",
        "Source": "/a",
        "Destination": "/b",
        "Mode": "ro",
        "RW": False,
        "Propagation": "rprivate",
    }
