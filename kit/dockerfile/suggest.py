"""``did you mean …?``: the nearest known word.

Source: BuildKit, util/suggest: at most two letters inserted, removed or changed.
"""

from collections.abc import Iterable

FARTHEST = 2
LONGEST = 64  # a longer word is no misspelling of anything we know


def nearest(word: str, options: Iterable[str], *, fold: bool = False) -> str:
    """The option that is nearest to ``word``, "" if none is near or one is ``word`` itself.

    ``fold`` compares without regard to case; the answer then has the case of ``word``.
    """
    best, distance = "", FARTHEST + 1
    if len(word) > LONGEST:
        return ""
    for option in options:
        left, right = (word.lower(), option.lower()) if fold else (word, option)
        if left == right:
            return ""
        if abs(len(left) - len(right)) < distance and (near := _distance(left, right)) < distance:
            best, distance = option, near
    if not fold:
        return best
    return best.lower() if word.islower() else best.upper() if word.isupper() else best.lower()


def hint(word: str, options: Iterable[str], *, fold: bool = False) -> str:
    """`` (did you mean …?)``, or nothing."""
    near = nearest(word, options, fold=fold)
    return f" (did you mean {near}?)" if near else ""


def _distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
