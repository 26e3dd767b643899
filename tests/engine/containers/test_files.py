"""``docker cp``, ``diff``, ``export`` and ``commit``; volumes, binds and tmpfs."""

import io
import stat
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from kit.engine.containers.commit import CommitOptions
from kit.engine.containers.copying import NoSuchFile, ReadOnly
from kit.engine.containers.filters import Filters
from kit.engine.containers.volumes import NoSuchVolume, VolumeInUse
from kit.errors import Invalid

Room = Any
MakeTar = Any


def got(room: Room, key: str, path: str) -> dict[str, bytes]:
    """What ``docker cp`` brings."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(room.containers.archive(key, path)))) as tar:
        return {info.name: (tar.extractfile(info) or io.BytesIO()).read() for info in tar}


def told(room: Room, key: str) -> list[str]:
    return [f"{'CAD'[row['Kind']]} {row['Path']}" for row in room.containers.changes(key)]


def test_diff_tells_what_the_container_did(room: Room) -> None:
    key = room.run("sh", "-c", "echo x >/new; mkdir /d; touch /d/f; echo y >>/etc/group; rm /etc/passwd; ls /dev").id
    assert told(room, key) == ["A /d", "A /d/f", "C /etc", "C /etc/group", "D /etc/passwd", "A /new"]
    assert told(room, room.run("true").id) == []


def test_a_committed_container_is_an_image_with_one_more_layer(room: Room) -> None:
    key = room.run("sh", "-c", "echo data >/new; rm /etc/group", Env=["A=1"]).id
    options = CommitOptions(
        "team/box:2",
        comment="why",
        author="me",
        changes=('CMD ["cat", "/new"]', "LABEL a=b"),
        config={"Env": ["B=2"]},
    )
    image = room.containers.commit(key, options)
    config, parent = room.store.images.get(image), room.store.images.get(room.store.images.resolve("busybox:1"))
    assert config.diff_ids[:-1] == parent.diff_ids and room.store.images.parent(image) == parent.id
    assert (config.author, config.document["comment"], config.history[-1].comment) == ("me", "why", "why")
    assert (config.run.labels, set(config.run.env)) == ({"a": "b"}, {"A=1", "B=2"})
    layer = room.store.layers.index(config.diff_ids[-1])
    assert layer.removed == {"etc/group"} and "new" in layer.entries
    assert room.run(image="team/box:2").output == "data\n"


def test_a_commit_of_nothing_new_has_no_layer(room: Room) -> None:
    image = room.containers.commit(room.run("true").id, CommitOptions())
    config = room.store.images.get(image)
    assert len(config.diff_ids) == 1 and config.history[-1].empty_layer


def test_a_running_container_is_paused_while_it_is_committed(room: Room) -> None:
    key = room.begin("sh", "-c", "i=0; while true; do i=$((i+1)); echo $i >/a; echo $i >/b; done")
    for _ in range(5):
        room.containers.commit(key, CommitOptions())
    assert room.actions(key).count("pause") == room.actions(key).count("unpause") == 5
    assert room.state(key)["Status"] == "running"


def test_files_go_in_and_out(room: Room, make_tar: MakeTar) -> None:
    key = room.create()
    room.containers.extract(key, "/etc", make_tar({"mine": b"data"}))
    assert got(room, key, "/etc/mine") == {"mine": b"data"}
    assert told(room, key) == ["C /etc", "A /etc/mine"]
    facts = room.containers.stat(key, "/etc")
    assert (facts["name"], facts["mode"] >> 31, facts["linkTarget"]) == ("etc", 1, "")
    assert stat.S_IMODE(facts["mode"] & 0o777) == 0o755


def test_files_go_into_a_running_container_and_out_of_it(room: Room, make_tar: MakeTar) -> None:
    key = room.begin("sleep", "1000")
    room.containers.extract(key, "/tmp", make_tar({"in": b"data"}))
    assert room.exec(key, "cat", "/tmp/in") == (0, "data")
    room.exec(key, "sh", "-c", "echo out >/tmp/out")
    assert got(room, key, "/tmp/out") == {"out": b"out\n"}


def test_what_is_not_there_is_told_in_docker_s_words(room: Room, make_tar: MakeTar) -> None:
    room.create(name="box")
    for ask in (room.containers.stat, room.containers.archive):
        with pytest.raises(NoSuchFile, match="Could not find the file /none in container box"):
            ask("box", "/none")
    with pytest.raises(NoSuchFile):
        room.containers.extract("box", "/none", make_tar({"a": b""}))
    with pytest.raises(Invalid, match="extraction point is not a directory"):
        room.containers.extract("box", "/etc/passwd", make_tar({"a": b""}))


def test_copy_owner_gives_files_to_the_container_s_user(room: Room, make_tar: MakeTar) -> None:
    key = room.create("ls", "-ln", "/tmp/mine", User="1000:1001")
    room.containers.extract(key, "/tmp", make_tar({"mine": b""}), copy_owner=True)
    with tarfile.open(fileobj=io.BytesIO(b"".join(room.containers.archive(key, "/tmp/mine")))) as tar:
        assert [(info.uid, info.gid) for info in tar] == [(1000, 1001)]


def test_an_archive_that_climbs_out_writes_nothing(room: Room, make_tar: MakeTar) -> None:
    key = room.create()
    with pytest.raises(Invalid, match="leaves the root"):
        room.containers.extract(key, "/etc", make_tar({"fine": b"", "../../escaped": b""}))
    assert told(room, key) == []


def test_a_running_container_s_symlinks_do_not_lead_cp_outside(room: Room, make_tar: MakeTar, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    key = room.begin("sh", "-c", f"ln -s {tmp_path} /tmp/out; ln -s /../../../../.. /tmp/up; echo ok; sleep 1000")
    end = threading.Event()
    while not end.wait(0.05):
        if "up" in room.exec(key, "ls", "/tmp")[1]:
            break
    for path in ("/tmp/out/secret", f"/tmp/up{tmp_path}/secret"):
        with pytest.raises(NoSuchFile):
            room.containers.archive(key, path)
    with pytest.raises(NoSuchFile):
        room.containers.extract(key, "/tmp/out", make_tar({"secret": b"taken"}))
    assert (tmp_path / "secret").read_text() == "secret"


def test_export_is_the_whole_root_file_system(room: Room) -> None:
    key = room.run("sh", "-c", "echo data >/new", host={"Binds": ["vol:/data"]}).id
    with tarfile.open(fileobj=io.BytesIO(b"".join(room.containers.export(key)))) as tar:
        names = tar.getnames()
    assert {"new", "bin/busybox", "etc/passwd"} <= {*names} and "" not in names and "." not in names


def test_a_new_volume_starts_with_what_the_image_has_there(room: Room, make_tar: MakeTar) -> None:
    room.image("data:1", make_tar({"data/a": b"from the image", "data/d/b": b""}).getvalue())
    room.containers.volumes.create("filled")
    body = {"Binds": ["filled:/data", "empty:/other"]}
    key = room.containers.create({"Image": "data:1", "Cmd": ["x"], "HostConfig": body})[0]
    assert got(room, key, "/data") == {"data": b"", "data/a": b"from the image", "data/d": b"", "data/d/b": b""}
    nocopy = room.containers.create(
        {"Image": "data:1", "Cmd": ["x"], "HostConfig": {"Binds": ["bare:/data:nocopy"]}}
    )[0]
    assert got(room, nocopy, "/data") == {"data": b""}


def test_a_volume_outlives_its_container_owners_and_all(room: Room) -> None:
    script = "mkdir /data/d; echo x >/data/d/f; chown 1000:1001 /data/d/f; chmod 600 /data/d/f"
    first = room.run("sh", "-c", script, host={"Binds": ["vol:/data"]})
    assert first.code == 0, first.output
    assert told(room, first.id) == ["A /data"]
    room.containers.remove(first.id)
    assert room.sh("stat -c '%u:%g %a' /data/d/f", host={"Binds": ["vol:/data:ro"]}) == "1000:1001 600\n"
    with pytest.raises(VolumeInUse, match=r"remove vol: volume is in use - \["):
        room.containers.volumes.remove("vol")


def test_cp_sees_volumes_as_the_container_does(room: Room, make_tar: MakeTar) -> None:
    host = {"Binds": ["vol:/data", "shut:/closed:ro"]}
    key = room.create("cat", "/data/in", host=host)
    room.containers.extract(key, "/data", make_tar({"in": b"data"}))
    room.containers.start(key)
    assert room.containers.wait(key) == 0
    assert got(room, key, "/data/in") == {"in": b"data"}
    assert got(room, key, "/")["data/in"] == b"data"
    assert room.containers.stat(key, "/data/in")["size"] == 4
    assert told(room, key) in (["A /closed", "A /data"], [])
    with pytest.raises(ReadOnly, match="mounted volume is marked read-only"):
        room.containers.extract(key, "/closed", make_tar({"in": b""}))


def test_a_bind_shows_the_host_s_files(room: Room, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host")
    binds = [f"{tmp_path}/file:/etc/mine:ro", f"{tmp_path}/made:/made"]
    result = room.run("sh", "-c", "cat /etc/mine; echo x >/etc/mine; echo out >/made/out", host={"Binds": binds})
    assert "host" in result.output and "Read-only file system" in result.output
    assert (tmp_path / "file").read_text() == "host" and (tmp_path / "made/out").read_text() == "out\n"
    assert got(room, result.id, "/etc/mine") == {"mine": b"host"}
    with pytest.raises(Invalid, match="bind source path does not exist: /none"):
        room.create(host={"Mounts": [{"Type": "bind", "Source": "/none", "Target": "/x"}]})


def test_a_tmpfs_is_empty_and_leaves_nothing(room: Room) -> None:
    first = room.run("sh", "-c", "ls -A /t; echo x >/t/f; cat /t/f", host={"Tmpfs": {"/t": ""}})
    assert (first.code, first.output) == (0, "x\n")
    assert "A /t/f" not in told(room, first.id)


def test_a_read_only_root_takes_no_writes(room: Room, make_tar: MakeTar) -> None:
    result = room.run("sh", "-c", "echo x >/file", host={"ReadonlyRootfs": True})
    assert result.code != 0 and "Read-only file system" in result.output
    with pytest.raises(ReadOnly, match="container rootfs is marked read-only"):
        room.containers.extract(result.id, "/", make_tar({"a": b""}))


def test_anonymous_volumes_go_with_their_container_when_asked(room: Room, make_tar: MakeTar) -> None:
    key = room.run("true", Volumes={"/data": {}}).id
    mount = room.containers.inspect(key)["Mounts"][0]
    assert (mount["Type"], mount["Destination"], len(mount["Name"])) == ("volume", "/data", 64)
    other = room.run("sh", "-c", "echo x >/data/f", host={"VolumesFrom": [key]}).id
    assert got(room, key, "/data/f") == {"f": b"x\n"}
    room.containers.remove(other, volumes=True)
    room.containers.remove(key, volumes=True)
    with pytest.raises(NoSuchVolume):
        room.containers.volumes.inspect(mount["Name"])


def test_unused_volumes_are_found_and_pruned(room: Room) -> None:
    room.create(host={"Binds": ["used:/data"]})
    room.containers.volumes.create("loose", labels={"a": "1"})
    dangling = Filters({"dangling": ["true"]})
    assert [row["Name"] for row in room.containers.volumes.list(dangling)] == ["loose"]
    assert room.containers.volumes.prune(Filters())["VolumesDeleted"] == ["loose"]
    assert [row["Name"] for row in room.containers.volumes.list(Filters())] == ["used"]
