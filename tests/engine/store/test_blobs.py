"""Blobs: verified on the way in and on the way out, whole or not there, and readable by other tools."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.engine.store.blobs import BlobNotFound, Blobs
from kit.engine.store.store import Store
from kit.layer.changeset import Changeset
from kit.layer.tree import Entry, Kind
from kit.oci.config import History, ImageConfig
from kit.oci.digest import DigestMismatch, digest_of
from kit.oci.reference import parse_reference


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def files(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in (blobs.root / "blobs/sha256").iterdir())


def test_the_same_bytes_twice_are_one_blob(blobs: Blobs) -> None:
    assert blobs.put(b"data") == blobs.put(b"data") == digest_of(b"data")
    assert blobs.read(digest_of(b"data")) == b"data"
    assert (blobs.all(), blobs.size(digest_of(b"data"))) == ([digest_of(b"data")], 4)


def test_a_blob_exists_from_its_commit_on(blobs: Blobs) -> None:
    with blobs.writer() as writer:
        writer.write(b"da")
        writer.write(b"ta")
        assert not blobs.has(digest_of(b"data")) and blobs.all() == []
        assert writer.commit(digest_of(b"data")) == (digest_of(b"data"), 4)
    assert blobs.read(digest_of(b"data")) == b"data"


def test_what_is_not_committed_leaves_no_trace(blobs: Blobs) -> None:
    with blobs.writer() as writer:
        writer.write(b"data")
    with pytest.raises(RuntimeError), blobs.writer() as writer:
        raise RuntimeError("the network broke")
    assert files(blobs) == []


def test_other_bytes_than_expected_are_not_stored(blobs: Blobs) -> None:
    with blobs.writer() as writer:
        writer.write(b"wrong")
        with pytest.raises(DigestMismatch, match=f"blob {digest_of(b'right')} is damaged"):
            writer.commit(digest_of(b"right"))
    assert files(blobs) == []


@pytest.mark.parametrize("step", [-1, 1, 3, 1 << 20])
def test_damage_on_the_disk_is_met_before_the_end_is(blobs: Blobs, step: int) -> None:
    digest = blobs.put(b"data")
    blobs.path(digest).write_bytes(b"dada")
    with blobs.open(digest) as file, pytest.raises(DigestMismatch) as raised:
        while file.read(step):
            pass
    assert raised.value.got == digest_of(b"dada")


def test_a_blob_that_is_not_there_is_told_by_name(blobs: Blobs) -> None:
    digest = digest_of(b"none")
    for ask in (blobs.open, blobs.read, blobs.size):
        with pytest.raises(BlobNotFound, match=f"blob {digest} is not in the store"):
            ask(digest)
    blobs.delete(digest)


def test_a_killed_writer_leaves_only_what_the_next_start_sweeps_away(blobs: Blobs) -> None:
    code = (
        "import sys, time; from pathlib import Path; from kit.engine.store.blobs import Blobs\n"
        "with Blobs(Path(sys.argv[1])).writer() as writer:\n"
        "    writer.write(b'x' * 100000); print('written', flush=True); time.sleep(60)"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, blobs.root], stdout=subprocess.PIPE)
    assert killed.stdout is not None and killed.stdout.readline() == b"written\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(files(blobs)) == 1 and Blobs(blobs.root).all() == []
    blobs.sweep()
    assert files(blobs) == []


def test_a_blob_may_come_in_several_tries(blobs: Blobs) -> None:
    digest = digest_of(b"all of it")
    with blobs.resumed(digest) as writer:
        writer.write(b"all ")
    assert not blobs.has(digest) and blobs.all() == []
    again = Blobs(blobs.root)
    again.sweep()
    with again.resumed(digest) as writer:
        assert writer.size == 4
        writer.write(b"of it")
        assert writer.commit(digest) == (digest, 9)
    assert again.read(digest) == b"all of it" and files(again) == [digest[7:]]


def test_a_part_of_something_else_is_forgotten_as_soon_as_it_shows(blobs: Blobs) -> None:
    digest = digest_of(b"right")
    with blobs.resumed(digest) as writer:
        writer.write(b"wr")
    with blobs.resumed(digest) as writer, pytest.raises(DigestMismatch):
        writer.write(b"ight")
        writer.commit(digest)
    with blobs.resumed(digest) as writer:
        assert writer.size == 0
    assert files(blobs) == []


def test_of_two_writers_of_one_blob_the_second_begins_anew(blobs: Blobs) -> None:
    digest = digest_of(b"data")
    with blobs.resumed(digest) as first:
        first.write(b"da")
        with blobs.resumed(digest) as second:
            assert second.size == 0
            second.write(b"data")
            second.commit(digest)
        blobs.drop_part(digest)
        first.write(b"ta")
        first.commit(digest)
    assert blobs.read(digest) == b"data" and files(blobs) == [digest[7:]]


def test_a_blob_that_is_set_aside_comes_back_without_a_byte(blobs: Blobs) -> None:
    digest = blobs.put(b"data")
    blobs.set_aside(digest)
    blobs.delete(digest)
    with blobs.resumed(digest) as writer:
        assert writer.size == 4
        writer.commit(digest)
    blobs.set_aside(digest)
    with blobs.resumed(digest) as writer:
        assert writer.size == 0, "a blob that is there is not written to"
        writer.write(b"junk")
    assert blobs.read(digest) == b"data"


def test_parts_go_after_a_day(blobs: Blobs) -> None:
    for age in (0, 100_000, -100_000):
        with blobs.resumed(digest_of(str(age).encode())) as writer:
            writer.write(b"x")
        path = blobs.root / "blobs/sha256" / f".part-{digest_of(str(age).encode())[7:]}"
        os.utime(path, (time.time() - age, time.time() - age))
    blobs.sweep()
    assert files(blobs) == [f".part-{digest_of(b'0')[7:]}"]


def test_the_directory_is_an_image_layout(store: Store) -> None:
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((store.root / "index.json").read_bytes())["manifests"] == []


@pytest.mark.skipif(not shutil.which("skopeo"), reason="no skopeo to read it with: run `make engines`")
def test_skopeo_reads_an_image_by_its_name(store: Store, tmp_path: Path) -> None:
    layer = store.layers.put(Changeset({"a": Entry(Kind.FILE, size=4)}), lambda _: io.BytesIO(b"data"))
    image = store.images.put(ImageConfig.of(diff_ids=[layer.diff_id], history=[History(created_by="COPY a")]))
    store.images.tag(parse_reference("localhost:5000/team/hello:1"), image)
    name = f"oci:{store.root}:localhost:5000/team/hello:1"
    done = subprocess.run(["skopeo", "inspect", "--config", "--raw", name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digest_of(done.stdout.encode()) == image
    copy = subprocess.run(["skopeo", "copy", name, f"dir:{tmp_path}/copy"], capture_output=True, text=True)
    assert copy.returncode == 0, copy.stderr
    assert os.listdir(tmp_path / "copy")
