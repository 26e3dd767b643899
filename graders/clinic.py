"""Four images that do not start, each for another reason: what the assignment of notebook 03 asks a diagnosis of.

Which name has which illness follows from the learner's word, so that a neighbour's answers are of no use. They are
imported, not built: a build would tell what is wrong with them.
"""

import random
from collections.abc import Mapping

import kit

NAMES = ("b1", "b2", "b3", "b4")
CAUSES = ("no-shell", "no-loader", "not-executable", "wrong-architecture")
_TEXT = "I am well again.\n"


def causes(nonce: str) -> dict[str, str]:
    """The cause for each of ``NAMES``. The same word gives the same causes, another word most likely others."""
    return dict(zip(NAMES, random.Random(nonce).sample(CAUSES, len(CAUSES)), strict=True))


def build_patients(nonce: str, repository: str) -> list[str]:
    """Makes them as ``repository/b1:1`` and so on; returns their names."""
    client = kit.connect().client
    for name, cause in causes(nonce).items():
        content, mode, start = _anatomy()[cause]
        tar = kit.tar({"greet": (content, mode)})
        client.api.import_image_from_data(tar, repository=f"{repository}/{name}", tag="1", changes=[f"CMD {start}"])
    return [f"{repository}/{name}:1" for name in NAMES]


def clear(repository: str) -> None:
    """Takes away every name below ``repository``, here and in the registry, and every container ``repository-…``."""
    kit.reset(repository)
    client = kit.connect().client
    for container in client.containers.list(all=True, filters={"name": f"^/?{repository}-"}):
        container.remove(force=True, v=True)
    for image in client.images.list():
        for name in image.tags:
            if name.startswith(f"{repository}/"):
                client.images.remove(name, force=True)


def _anatomy() -> Mapping[str, tuple[bytes, int, str]]:
    """For each cause: the program, its mode, and what CMD says."""
    program, start = kit.elf.tiny(_TEXT), '["/greet"]'
    return {
        "no-shell": (program, 0o755, "/greet"),
        "no-loader": (kit.elf.dynamic(_TEXT), 0o755, start),
        "not-executable": (program, 0o644, start),
        "wrong-architecture": (kit.elf.tiny(_TEXT, machine="other"), 0o755, start),
    }
