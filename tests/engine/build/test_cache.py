"""The build cache: found by content, explained, never poisoned, shared by builds that run at once."""

import threading
from collections.abc import Mapping
from typing import Any

from tests.engine.build.cases import HELLO, PARENT, TREE, TRIGGERS, File
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


def test_why_a_step_ran_is_said_in_words(lab: Lab) -> None:
    files = {**TREE, **HELLO}
    lines = [
        f"FROM {PARENT}",
        "ARG V=1",
        "ENV E=a",
        "COPY src /s",
        "RUN echo run $V $E",
        "RUN --mount=target=/m,source=hello cat /m",
        "WORKDIR /w",
    ]

    def why(
        changed: Mapping[int, str] = {}, files: Mapping[str, File] = files, **options: Any
    ) -> dict[int, list[str]]:
        """The reasons by the step's number, after a build of the first form."""
        lab.events("\n".join(lines), {**TREE, **HELLO}, tags=("why",))
        text = "\n".join(changed.get(number, line) for number, line in enumerate(lines, 1))
        told = explained(lab.events(text, files, tags=("why",), **options))
        assert [step["Cached"] for step in told] == [not step["Why"] for step in told]
        return {step["Step"]: step["Why"] for step in told if step["Why"]}

    lab.builder.prune()
    new = explained(lab.events("\n".join(lines), files, tags=("why",)))
    assert {tuple(step["Why"]) for step in new} == {("it is new: no build of this name had such a step",)}
    assert why() == {}
    assert why(build_args={"V": "2"})[5] == ["the variable V was '1' and is '2'"]
    env = why({3: "ENV E=b F=c"})
    assert env[3] == ["the instruction changed; it was ENV E=a"]
    assert env[5] == ["the variable E was 'a' and is 'b'", "the variable F is new: 'c'"]
    assert why({5: "RUN echo walk $V"})[5] == [
        "the instruction changed; it was RUN |1 V=1 /bin/sh -c echo run $V $E # buildkit"
    ]
    assert why({5: "USER daemon"})[5] == [
        "another instruction stood here: RUN |1 V=1 /bin/sh -c echo run $V $E # buildkit"
    ]
    assert why({7: "WORKDIR /x"}) == {
        7: ["the instruction changed; it was WORKDIR /w", "the working directory changed"]
    }
    assert why({1: f"FROM {TRIGGERS}"})[4][0] == "a step before it gave other files"
    other = {**files, "hello": File(b"new"), "src/new": File(b"n"), "src/a.txt": File(b"A", 0o640)}
    other |= {"src/b.md": File(b"b", 0o600)}
    del other["src/up"]
    told = why({}, other)
    assert told[4] == ["added: src/new", "removed: src/up", "changed: src/a.txt", "other mode or owner: src/b.md"]
    assert told[5] == ["a step before it gave other files"]
    assert told[6] == ["a step before it gave other files", "the files that are mounted at /m changed"]
    assert why(no_cache=True)[7] == ["the cache was not to be used"]
    many = {**files} | {f"src/{number}": File(b"") for number in range(9)}
    assert why({}, many)[4] == ["added: src/0, src/1, src/2, src/3, src/4 and 4 more"]
    lab.builder.prune()
    lab.store.images.delete(str(lab.store.images.find("why")))


def test_a_parent_that_changed_and_a_step_that_failed_are_reasons(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN test -e /t\n"
    assert "non-zero code: 1" in lab.fails(dockerfile, tags=("p",))
    again = explained(lab.events(dockerfile, tags=("p",)))
    assert again[0]["Why"] == [
        "nothing differs, but its result is not in the cache: it has failed, or the cache was emptied"
    ]
    lab.build(f"FROM {PARENT}\nRUN touch /t\n", tags=("other",))
    assert explained(lab.events(dockerfile.replace(PARENT, "other"), tags=("p",)))[0]["Why"] == ["the parent changed"]


def test_a_step_that_failed_is_not_remembered(lab: Lab) -> None:
    dockerfile = f"FROM {PARENT}\nRUN --mount=type=cache,target=/c test -e /c/f || {{ touch /c/f /made; false; }}\n"
    assert "non-zero code: 1" in lab.fails(dockerfile)
    image = lab.build(dockerfile)
    assert "made" not in lab.tree(image), "nothing of the failed run is left in the root file system"


def test_a_step_that_was_killed_is_not_remembered(lab: Lab) -> None:
    command = "test -e /c/f || { touch /c/f /half; echo on; sleep 60; }"
    dockerfile = f"FROM {PARENT}\nRUN --mount=type=cache,target=/c {command}\n"
    build = lab.start(dockerfile)
    for event in build:
        if event.to_json().get("stream") == "on\n":
            break
    build.close()  # type: ignore[attr-defined]
    events = lab.events(dockerfile)
    assert "Running in" in text_of(events) and "half" not in lab.tree(lab.image(events))


def test_pull_asks_for_the_parent_though_it_is_here(lab: Lab) -> None:
    lab.build(f"FROM {PARENT}\nENV A=1\n")
    assert "pull access denied for" in lab.fails(f"FROM {PARENT}\nENV A=1\n", pull=True)


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
