"""Making the course's parent images, with progress: ``kit.parents``."""

from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.display import Live
from kit.lab.parents import USUAL, make_parents
from kit.views.models.parents import ParentsCard


def parents(*names: str, lab: Lab | None = None) -> ParentsCard:
    """Make the named parents, or those that most notebooks need; what the engine has is left as it is.

    Raises:
        Invalid: there is no such parent. Unavailable: a tool or the network is missing; the text says which.
    """
    lab = lab or connect()
    rows: list[tuple[str, str, str]] = []
    with Live() as live, asking(lab):

        def progress(line: str) -> None:
            live.show(ParentsCard(tuple(rows), line))
            live.line(line)

        for name in names or USUAL:
            (made,) = make_parents(lab.client, [name], lab.home.root, progress)
            rows.append((made.name, made.image_id, made.origin))
        live.vanish()
    return ParentsCard(tuple(rows))
