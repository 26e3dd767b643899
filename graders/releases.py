"""The year of a small program: seven releases and a roll back, for the assignment of notebook 08.

A release builds ``a08/app:X.Y.Z``, whose program prints the version and the learner's word. Where each name leads is
told by comparing images, not names.
"""

import kit
from graders import nonce

REPOSITORY = "a08/app"
STEPS = (
    ("release", "1.0.0"),
    ("release", "1.1.0"),
    ("release", "2.0.0"),
    ("release", "1.1.1"),
    ("release", "2.0.1"),
    ("release", "2.1.0"),
    ("roll back", "2.1.0"),
    ("release", "2.1.1"),
)


def greeting(version: str, word: str) -> str:
    """What the program of a release prints."""
    return f"app {version} for {word}\n"


def happens(action: str, version: str) -> None:
    """Builds the release; a roll back builds nothing."""
    if action == "release":
        program = kit.elf.tiny(greeting(version, nonce("08")))
        dockerfile = 'FROM scratch\nCOPY app /\nCMD ["/app"]\n'
        kit.build(dockerfile=dockerfile, files={"app": program}, tag=f"{REPOSITORY}:{version}")


def state() -> dict[str, str]:
    """Tag → the version that it leads to; "?" for an image that is no release."""
    names = {name.partition(":")[2]: kit.image(name).id for name in kit.tags(f"{REPOSITORY}:")}
    versions = {names[version]: version for _, version in STEPS if version in names}
    return {tag: versions.get(image_id, "?") for tag, image_id in names.items()}


def expected() -> list[dict[str, str]]:
    """What ``state`` should be after each step, without the releases themselves."""
    good, tags, states = list[str](), dict[str, str](), list[dict[str, str]]()
    for action, version in STEPS:
        if action == "release":
            good.append(version)
        else:
            good.remove(version)
            newest = max(good, key=numbers)
            tags = {tag: newest if leads == version else leads for tag, leads in tags.items()}
        for one in sorted(good, key=numbers):
            major, minor, _ = one.split(".")
            tags |= {f"{major}.{minor}": one, major: one, "latest": one}
        states.append(dict(tags))
    return states


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
