"""``--chown`` and WORKDIR's owner: names to numbers, by the image's own files.

Numbers need no files; a number without a group is its own group, a name brings its group along.

Source: Dockerfile reference, "COPY --chown"; buildkit, solver/llbsolver/ops/opsutils "ParseUser".
"""

from collections.abc import Callable

from kit.errors import Invalid
from kit.oci.users import LARGEST_ID, resolve

Reader = Callable[[str], str]
"""The text of a file of the image, "" where it is missing."""


def owner_of(spec: str, read: Reader) -> tuple[int, int]:
    """Uid and gid that ``spec`` (``user[:group]``) means.

    Raises:
        Invalid: a name that the image does not know, or a number out of range.
    """
    user, colon, group = spec.partition(":")
    user = user or "0"
    if user.isdecimal() and (group.isdecimal() or not group):
        numbers = int(user), int(group or user)
        if max(numbers) > LARGEST_ID:
            raise Invalid(f"uids and gids must be in range 0-{LARGEST_ID}")
        return numbers
    account = resolve(f"{user}{colon and group and ':'}{group}", read("etc/passwd"), read("etc/group"))
    return account.uid, account.gid
