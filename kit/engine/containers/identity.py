"""Who a process of a container runs as, by the files of its own root file system."""

from kit.engine.containers.container import Container
from kit.engine.store.store import Store
from kit.errors import Invalid, NotFound
from kit.oci import users

LARGEST_FILE = 1 << 20


def account_of(store: Store, container: Container, user: str) -> users.Account:
    """The account that ``user`` (USER's text) names in the container.

    Raises:
        UnknownUser
    """
    passwd, group = (_text(store, container, path) for path in ("/etc/passwd", "/etc/group"))
    return users.resolve(user, passwd, group, extra_groups=container.settings.host["GroupAdd"] or ())


def _text(store: Store, container: Container, path: str) -> str:
    try:
        with store.rootfs.open(container.id).open_file(path) as file:
            return file.read(LARGEST_FILE).decode(errors="surrogateescape")
    except (NotFound, Invalid, OSError):
        return ""
