"""From what a stage did to an image config: history, times, and BuildKit's word for who made it.

A layer's line bears the time at which its layer was made. A line without a layer takes the time of the layer
before it, or, where the stage has made none yet, of the first that it makes; so the same steps give the same
config, whenever they are asked for.

Source: buildkit, exporter/containerimage/writer.go "normalizeLayersAndHistory", "patchImageConfig".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kit.dockerfile.steps import State
from kit.oci.config import History, ImageConfig
from kit.oci.digest import DiffID

COMMENT = "buildkit.dockerfile.v0"


@dataclass(frozen=True)
class Stack:
    """The layers of a stage so far, bottom first, and its history. Lines yet without a time have ``created`` ""."""

    diff_ids: tuple[DiffID, ...] = ()
    history: tuple[History, ...] = ()
    parent_lines: int = 0
    """How many lines of the history came with the parent."""

    @classmethod
    def of_parent(cls, parent: ImageConfig | None) -> "Stack":
        if parent is None:
            return cls()
        told = sum(not line.empty_layer for line in parent.history)
        missing = len(parent.diff_ids) - told
        history = parent.history + tuple(History(created=parent.created) for _ in range(missing))
        return cls(parent.diff_ids, history, len(history))

    def with_layer(self, diff_id: DiffID, created_by: str, created: str) -> "Stack":
        line = History(created_by=created_by, created=created, comment=COMMENT)
        return replace(self, diff_ids=(*self.diff_ids, diff_id), history=(*self.history, line))

    def with_line(self, created_by: str) -> "Stack":
        """A line without a layer."""
        line = History(created_by=created_by, comment=COMMENT, empty_layer=True)
        return replace(self, history=(*self.history, line))

    def config(self, state: State) -> ImageConfig:
        """The image config, were the stage to end here."""
        history = _timed(self.history, self.parent_lines)
        created = next((line.created for line in reversed(history) if line.created), "")
        return ImageConfig.of(
            run=state.run,
            diff_ids=self.diff_ids,
            history=history,
            platform=state.platform,
            created=created,
            author=state.author,
        )

    def rewritten(self, diff_ids: Iterable[DiffID], created: str) -> "Stack":
        """The same with other layers, and the time ``created`` in each of the stage's own lines."""
        own = (replace(line, created=created) for line in self.history[self.parent_lines :])
        return replace(self, diff_ids=tuple(diff_ids), history=(*self.history[: self.parent_lines], *own))


def _timed(history: Sequence[History], parent_lines: int) -> tuple[History, ...]:
    own = [line.created for line in history[parent_lines:] if line.created]
    before = [line.created for line in history[:parent_lines] if line.created]
    time = own[0] if own else before[-1] if before else ""
    lines = list(history[:parent_lines])
    for line in history[parent_lines:]:
        time = line.created or time
        lines.append(replace(line, created=time))
    return tuple(lines)
