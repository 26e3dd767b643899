"""The parent images: made from packages, alike for everyone, loaded into a real dockerd."""

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

import kit
from kit.errors import Invalid, Unavailable
from kit.lab import archive, canonical, parents, rootfs
from kit.lab.connect import Lab
from kit.oci.config import ImageConfig, RunConfig


@pytest.fixture
def engine(dockerd: docker.DockerClient) -> Iterator[docker.DockerClient]:
    """A dockerd without the parents; what was there before is there again afterwards."""
    before = {name: dockerd.images.get(name).id for name in parents.RECIPES if _has(dockerd, name)}
    for name in before:
        dockerd.images.remove(name, force=True, noprune=True)
    yield dockerd
    for name, image_id in before.items():
        if _has(dockerd, image_id):
            dockerd.api.tag(image_id, *name.split(":"))


def _has(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def entries(tar: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(tar) as file:
        return {entry.name.removeprefix("./"): entry for entry in file}


def test_busybox_has_its_commands_users_and_a_shell(tmp_path: Path) -> None:
    found = entries(parents.root_tar("busybox:1", tmp_path))
    assert found["bin/sh"].linkname == "busybox"
    assert found["bin/busybox"].mode == 0o755
    assert found["tmp"].mode == 0o1777
    assert stat.S_IMODE(found["etc/shadow"].mode) == 0o600
    assert {entry.mtime for entry in found.values()} == {1767225600}


def test_busybox_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    first, second = (parents.root_tar("busybox:1", tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_tar_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    tar = parents.root_tar("busybox:1", tmp_path)
    made = tar.stat().st_mtime_ns
    assert parents.root_tar("busybox:1", tmp_path) == tar
    assert tar.stat().st_mtime_ns == made


def test_a_half_made_tar_does_not_count(tmp_path: Path) -> None:
    tar = parents.root_tar("busybox:1", tmp_path)
    whole = tar.read_bytes()
    tar.rename(tar.with_suffix(".half"))
    tar.with_suffix(".half").write_bytes(whole[:5000])
    assert parents.root_tar("busybox:1", tmp_path).read_bytes() == whole
    assert not tar.with_suffix(".half").exists()


def test_a_program_that_needs_a_loader_is_no_static_busybox() -> None:
    assert rootfs._needs_loader(Path(sys.executable).resolve().read_bytes())
    assert not rootfs._needs_loader(Path("/bin/busybox").read_bytes())


def test_what_hangs_while_a_parent_is_made_is_ended_with_all_that_it_started() -> None:
    script = "sleep 600 & echo I:$! >&2; wait"
    process = subprocess.Popen(["sh", "-c", script], text=True, stderr=subprocess.PIPE, start_new_session=True)
    said: list[str] = []
    assert rootfs._follow(process, said.append, patience=0.5) == "it said nothing for 0 s, and was ended"
    (begun,) = (Path("/proc") / line.rpartition(":")[2] / "stat" for line in said)
    while begun.exists() and begun.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.05)


def test_without_mmdebstrap_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"apt-get install mmdebstrap .*LAYERLAB_PARENTS=hub"):
        parents.root_tar("debian:13", tmp_path)
    assert not list(tmp_path.glob("parents/*.tar"))


def test_when_every_way_of_mmdebstrap_fails_its_last_words_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "mmdebstrap"
    fake.write_text("#!/bin/sh\necho 'E: no room' >&2\necho half > $7\nexit 25\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="fakechroot: no room"):
        parents.root_tar("debian:13", tmp_path)
    assert not list(tmp_path.glob("parents/*.tar"))


def test_an_unknown_parent_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(
        Invalid, match="no parent image is called 'fedora:40': there are busybox:1, debian:13, nodejs:20"
    ):
        parents.make_parents(docker.DockerClient("unix:///nowhere", version="1.41"), ["fedora:40"], tmp_path)


def test_an_archive_is_a_tar_of_manifest_config_and_layer(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(b"x" * 700)
    config = ImageConfig.of(run=RunConfig())
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive.pack("a:1", config, layer)))) as tar:
        assert tar.getnames() == ["manifest.json", "config.json", "layer0.tar"]
        content = tar.extractfile("layer0.tar")
        assert content and content.read() == b"x" * 700


def test_busybox_is_made_once_and_runs(engine: docker.DockerClient, tmp_path: Path) -> None:
    said: list[str] = []
    (made,) = parents.make_parents(engine, ["busybox:1"], tmp_path, said.append)
    assert made.origin == "made"
    assert said[-1] == "busybox:1: loading into the engine"
    assert engine.containers.run("busybox:1", "id -un", remove=True) == b"root\n"
    (again,) = parents.make_parents(engine, ["busybox:1"], tmp_path / "other")
    assert again == parents.Parent("busybox:1", made.image_id, "there")


def test_what_a_teacher_has_made_is_taken_from_the_directory_that_the_environment_names(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    ready = parents.root_tar("busybox:1", tmp_path / "teacher")
    told = {"LAYERLAB_PARENTS": str(ready.parent)}
    parents.make_parents(engine, ["busybox:1"], tmp_path / "learner", environment=told)
    assert engine.containers.run("busybox:1", "id -un", remove=True) == b"root\n"
    assert not (tmp_path / "learner").exists(), "nothing was made here"
    assert parents._find_ready("web:1", told) is None, "what is not there is made as usual"


def test_a_parent_of_an_older_recipe_is_made_anew(engine: docker.DockerClient, tmp_path: Path) -> None:
    tar = parents.root_tar("busybox:1", tmp_path)
    old = parents._config(archive.diff_id(tar), rootfs.BUSYBOX, "layerlab parent 000000000000")
    engine.images.load(archive.pack("busybox:1", old, tar))
    (made,) = parents.make_parents(engine, ["busybox:1"], tmp_path)
    assert made.origin == "made"
    assert made.image_id != old.id


def test_an_image_that_somebody_else_brought_is_left_alone(engine: docker.DockerClient, tmp_path: Path) -> None:
    tar = parents.root_tar("busybox:1", tmp_path)
    engine.api.import_image_from_file(str(tar), repository="busybox", tag="1")
    (found,) = parents.make_parents(engine, ["busybox:1"], tmp_path)
    assert found.origin == "there"


def test_debian_is_what_dockers_own_is(engine: docker.DockerClient, debian13_tar: Path, cache: Path) -> None:
    (made,) = parents.make_parents(engine, ["debian:13"], cache)
    image = engine.images.get("debian:13")
    assert image.attrs["Config"]["Cmd"] == ["bash"]
    assert 100_000_000 < image.attrs["Size"] < 140_000_000
    listed = engine.containers.run("debian:13", "ls /etc/apt/apt.conf.d /var/lib/apt/lists", remove=True).decode()
    for name in ("docker-autoremove-suggests", "docker-clean", "docker-gzip-indexes", "docker-no-languages"):
        assert name in listed
    assert "Packages" not in listed
    assert made.image_id == image.id


@pytest.mark.slow
def test_an_ordinary_user_and_an_engine_make_the_same_debian(
    dockerd: docker.DockerClient, as_user: Any, debian13_tar: Path, tmp_path: Path
) -> None:
    done = as_user(
        "from pathlib import Path; from kit.lab import bootstrap; bootstrap._unpack(Path('tar'))", timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert rootfs.DEBIAN.make_in_engine
    rootfs.DEBIAN.make_in_engine(dockerd, tmp_path / "raw", lambda line: None)
    canonical.write(tmp_path / "raw", tmp_path / "tar", latest=rootfs.SOURCE_DATE_EPOCH)
    assert (tmp_path / "tar").read_bytes() == debian13_tar.read_bytes()


def test_without_rights_of_its_own_a_recipe_asks_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tar: Path, progress: Any) -> None:
        raise Unavailable("no rights here")

    def help_out(client: object, tar: Path, progress: Any) -> None:
        rootfs.BUSYBOX.make(tar, progress)

    recipe = rootfs.Recipe("test", ("sh",), refuse, "nothing", help_out)
    monkeypatch.setitem(parents.RECIPES, "test:1", recipe)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="no rights here"):
        parents.root_tar("test:1", tmp_path)
    client = docker.DockerClient("unix:///nowhere", version="1.41")
    said: list[str] = []
    assert "bin/sh" in entries(parents.root_tar("test:1", tmp_path, said.append, client=client))
    assert "no rights here" in said


def test_the_canonical_form_does_not_depend_on_who_packed_it(tmp_path: Path) -> None:
    files = {"b/dev": "x", "a": "y", "dev/null": "", "var/lib/dpkg/status-old": "", "etc/hostname": "h"}
    for number, order in enumerate((list(files), sorted(files, reverse=True))):
        with tarfile.open(tmp_path / f"raw{number}", "w") as tar:
            for name in order:
                entry = tarfile.TarInfo(f"./{name}" if number else name)
                entry.mtime, entry.size, entry.uname = 1_000_000_000 * (number + 1), len(files[name]), f"user{number}"
                tar.addfile(entry, io.BytesIO(files[name].encode()))
        canonical.write(tmp_path / f"raw{number}", tmp_path / f"out{number}", latest=1_000_000_000)
    assert (tmp_path / "out0").read_bytes() == (tmp_path / "out1").read_bytes()
    assert list(entries(tmp_path / "out0")) == ["a", "b/dev"]


# ---- tools:1


def test_the_kitchen_has_what_a_compiler_needs_and_nothing_of_what_it_does_not(cache: Path) -> None:
    found = entries(parents.root_tar("tools:1", cache))
    names = {path.rpartition("/")[2] for path in found}
    assert {"cc1", "gcc", "musl-gcc", "libc.a", "stdio.h", "sh", "busybox", "passwd"} <= names
    assert not {"lto1", "libasan.so.8", "Packages"} & names and not any("/doc/" in path for path in found)
    assert sum(entry.size for entry in found.values() if entry.isreg()) < 150_000_000
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}


def test_a_compiler_that_can_not_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install mmdebstrap"):
        parents.root_tar("tools:1", tmp_path)
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho no network here >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match="no network here"):
        parents.root_tar("tools:1", tmp_path)
    assert not list((tmp_path / "parents").glob("tools*"))


# ---- nodejs:20


@pytest.mark.slow
def test_node_and_npm_are_all_there_and_small(cache: Path) -> None:
    found = entries(parents.root_tar("nodejs:20", cache))
    assert {"usr/bin/node", "usr/bin/npm", "usr/bin/wget", "etc/passwd"} <= found.keys()
    assert found["etc/ssl/certs/ca-certificates.crt"].size > 100_000
    assert not any(path.startswith(("usr/share/doc/", "usr/lib/python3.")) for path in found)
    assert sum(entry.size for entry in found.values() if entry.isreg()) < 150_000_000
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}


@pytest.mark.slow
def test_an_ordinary_user_makes_the_same_node(as_user: Any, cache: Path) -> None:
    code = "from pathlib import Path; from kit.lab import parents; parents.root_tar('nodejs:20', Path('own'))"
    tell = "import hashlib; print(hashlib.sha256(next(Path('own').rglob('*.tar')).read_bytes()).hexdigest())"
    done = as_user(f"{code}; {tell}", timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(parents.root_tar("nodejs:20", cache).read_bytes()).hexdigest()


@pytest.mark.slow
def test_npm_installs_a_package_and_starts_a_service_that_uses_it(lab: Lab, mine: str, cache: Path) -> None:
    """The package is a directory of the context, so that no registry is asked."""
    parents.make_parents(lab.client, ["nodejs:20"], cache)
    program = {"scripts": {"start": "node server.js"}, "dependencies": {"greeting": "file:./greeting"}}
    package = {
        "name": "greeting",
        "version": "1.0.0",
        "scripts": {"postinstall": "echo 'exports.text = \"Hi\"' > index.js"},
    }
    server = 'require("http").createServer((_, to) => to.end(require("greeting").text)).listen(8080)'
    kit.build(
        dockerfile='FROM nodejs:20\nWORKDIR /app\nCOPY . .\nRUN npm install --offline\nCMD ["npm", "start"]\n',
        files={
            "package.json": json.dumps(program),
            "greeting/package.json": json.dumps(package),
            "server.js": server,
        },
        tag=f"{mine}/node:1",
    )
    served = kit.serve(f"{mine}/node:1", port=8080)
    assert served.answer == "Hi", served
