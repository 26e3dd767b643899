"""``docker search``: asking Docker Hub.

Source: Docker Registry API v1, "Search", which Docker Hub still answers for this.
"""

from functools import partial
from typing import Any

import httpx

from kit.engine.containers.filters import Filters
from kit.errors import Invalid, Unavailable

HUB = "https://index.docker.io/v1/search"
MOST = 100
PATIENCE = 15.0


def search(term: str, limit: int, wanted: Filters) -> list[dict[str, Any]]:
    """Rows as Docker Hub gives them. Filters: is-official, is-automated, stars.

    Raises:
        Invalid: an unknown filter or value.
        Unavailable: Docker Hub does not answer.
    """
    wanted.check("is-official", "is-automated", "stars")
    if not 1 <= limit <= MOST:
        raise Invalid(f"Limit {limit} is outside the range of [1, {MOST}]")
    least = max((int(text) for text in wanted.values("stars") if text.isdecimal()), default=0)
    try:
        answer = httpx.get(HUB, params={"q": term, "n": str(limit)}, timeout=PATIENCE, follow_redirects=True)
        answer.raise_for_status()
        rows = answer.json()["results"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable(f'Get "{HUB}?q={term}": {error}') from error
    return [row for row in rows if row.get("star_count", 0) >= least and _is_wanted(row, wanted)]


def _is_wanted(row: dict[str, Any], wanted: Filters) -> bool:
    keys = {"is-official": "is_official", "is-automated": "is_automated"}
    return all(wanted.flag(key, partial(bool, row.get(name))) for key, name in keys.items())
