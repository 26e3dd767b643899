"""The build cache: found by content, explained, never poisoned, shared by builds that run at once."""

import threading
from collections.abc import Mapping
from typing import Any

from tests.engine.build.cases import HELLO, PARENT, TREE, File
from tests.engine.build.conftest import Lab, text_of


def explained(events: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [event["aux"] for event in events if event.get("id") == "layerlab.cache"]


def test_the_same_again_is_the_same_image_and_runs_nothing(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN date +%N > /f\nCOPY src /d\nENV A=1\n"
    first = lab.events(dockerfile, TREE)
    again = lab.events(dockerfile, TREE)
    assert lab.image(first).id == lab.image(again).id
    assert text_of(again).count(" ---> Using cache\n") == 3 and "Running in" not in text_of(again)


def test_no_cache_runs_again(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN date +%s%N > /f; cat /proc/sys/kernel/random/uuid >> /f\n"
    assert lab.build(dockerfile).id != lab.build(dockerfile, no_cache=True).id


def test_a_cache_that_lived_through_a_restart(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN date +%N > /f\n"
    first = lab.build(dockerfile)
    lab.close()
    lab.open()
    assert lab.build(dockerfile).id == first.id


def test_times_of_files_do_not_count(lab: Lab) -> None:
    lab.build("FROM scratch\nCOPY hello /\n", HELLO)
    assert "Using cache" in text_of(lab.events("FROM scratch\nCOPY hell* /\n".replace("hell*", "hello"), HELLO))


def test_what_differs_is_told(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nARG V=1\nRUN echo $V\nCOPY hello /h\n"
    lab.events(dockerfile, HELLO, tags=("t",))
    with_arg = explained(lab.events(dockerfile, HELLO, tags=("t",), build_args={"V": "2"}))
    run = next(step for step in with_arg if step["Parts"]["step"] == "RunStep")
    assert not run["Cached"] and "environment" in run["Differs"] and "files" not in run["Differs"]
    other_file = explained(lab.events(dockerfile, {"hello": File(b"new")}, tags=("t",), build_args={"V": "2"}))
    copy = other_file[-1]
    assert not copy["Cached"] and copy["Differs"] == ["copied"]


def test_a_step_that_failed_is_not_remembered(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN --mount=type=cache,target=/c test -e /c/f || {{ touch /c/f /made; false; }}\n"
    assert "non-zero code: 1" in lab.fails(dockerfile)
    image = lab.build(dockerfile)
    assert "made" not in lab.tree(image), "nothing of the failed run is left in the root file system"


def test_two_builds_at_once_run_a_step_once(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN sleep 1; date +%N > /f\n"
    images = []

    def build() -> None:
        images.append(lab.build(dockerfile).id)

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3 and len(set(images)) == 1


def test_removing_an_image_keeps_its_cache_and_prune_empties_it(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN head -c 100000 /dev/urandom > /noise\n"
    first = lab.build(dockerfile)
    lab.store.images.delete(first.id)
    assert "Using cache" in text_of(lab.events(dockerfile))
    assert sum(row["Size"] for row in lab.builder.usage()) == 100_000
    image = lab.build(dockerfile)
    assert lab.builder.prune()["SpaceReclaimed"] == 0, "an image still has the layer"
    assert lab.builder.usage() == []
    again = lab.build(dockerfile)
    lab.store.images.delete(again.id)
    assert image.id != again.id, "it ran again"
    assert lab.builder.prune()["SpaceReclaimed"] == 100_000


def test_an_image_that_came_from_elsewhere_serves_as_cache(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nENV A=1\nRUN echo run > /r; cat /proc/sys/kernel/random/uuid > /u\nCOPY hello /h\n"
    image = lab.build(dockerfile, HELLO, tags=("published",))
    lab.builder.prune()
    events = lab.events(dockerfile, HELLO, cache_from=("not-here", "published"))
    assert "Running in" not in text_of(events) and text_of(events).count("Using cache") == 2
    assert lab.image(events).diff_ids == image.diff_ids
    lab.builder.prune()
    other = lab.build(dockerfile, {"hello": File(b"new")}, cache_from=("published",))
    assert other.diff_ids[:2] == image.diff_ids[:2] and lab.read(other, "h") == "new"
    lab.builder.prune()
    assert (
        lab.build(dockerfile.replace("A=1", "A=2"), HELLO, cache_from=("published",)).diff_ids[1] != image.diff_ids[1]
    )
