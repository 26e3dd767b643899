"""The whole store: one owner, nothing half-done after a kill, nothing lost that was finished."""

import io
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.engine.store.database import OtherVersion
from kit.engine.store.state import DocumentNotFound
from kit.engine.store.store import Store
from kit.oci.digest import digest_of

MakeTar = Callable[..., bytes]


def test_a_store_has_one_owner(store: Store) -> None:
    code = "import sys; from pathlib import Path; from kit.engine.store.store import Store; Store(Path(sys.argv[1]))"
    second = subprocess.run([sys.executable, "-c", code, store.root], capture_output=True, text=True)
    assert f"StoreInUse: the store {store.root} is in use by another engine" in second.stderr


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "store.db") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(OtherVersion, match="has format 99, this Layerlab knows 1: use the other version"):
        Store(tmp_path)


def test_documents_are_kept_by_kind_and_key(store: Store) -> None:
    store.documents.put("box", "b", {"size": 1})
    store.documents.put("box", "a", [1, "é"])
    store.documents.put("bag", "b", None)
    assert store.documents.all("box") == {"a": [1, "é"], "b": {"size": 1}}
    store.documents.delete("box", "b")
    assert store.documents.find("box", "b") is None
    with pytest.raises(DocumentNotFound, match="there is no box 'b'"):
        store.documents.get("box", "b")


WORK = """
import io, itertools, os, sys, tarfile
from pathlib import Path
from kit.engine.store.store import Store
from kit.oci.config import History, ImageConfig
from kit.oci.reference import parse_reference

store = Store(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(f"file-{os.getpid()}-{number}")
        info.size = 200_000
        tar.addfile(info, io.BytesIO(os.urandom(info.size)))
    out.seek(0)
    layer = store.layers.add(out)
    image = store.images.put(ImageConfig.of(diff_ids=[layer.diff_id], history=[History(created_by="x")]))
    store.images.tag(parse_reference(f"work:{number}"), image)
    store.rootfs.create(f"r{number}", [layer.diff_id], real_owners=False).commit()
    store.rootfs.delete(f"r{number}")
"""


@pytest.mark.parametrize("patience", [0.05, 0.1, 0.17, 0.3])
def test_after_a_kill_every_finished_image_is_whole_and_nothing_else_is_there(
    tmp_path: Path, patience: float
) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORK, tmp_path / "store"], stdout=subprocess.PIPE)
    assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"
    time.sleep(patience)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    store = Store(tmp_path / "store")
    try:
        for image in store.images.all():
            config = store.images.get(image)
            for diff_id in config.diff_ids:
                tar = store.layers.open(diff_id).read()
                assert digest_of(tar) == diff_id
                assert store.layers.index(diff_id).entries
            assert store.images.manifest(image).config.digest == image
        for blob in store.blobs.all():
            assert digest_of(store.blobs.read(blob)) == blob
        for name in store.rootfs.names():
            assert store.rootfs.open(name).scan()
        assert not [path for path in (tmp_path / "store").rglob("*") if ".new-" in path.name]
    finally:
        store.close()


def test_a_store_that_is_closed_may_be_opened_again(tmp_path: Path, make_tar: MakeTar) -> None:
    first = Store(tmp_path / "s")
    layer = first.layers.add(io.BytesIO(make_tar({"a": b"data"})))
    first.close()
    second = Store(tmp_path / "s")
    assert second.layers.all() == [layer]
    second.close()
