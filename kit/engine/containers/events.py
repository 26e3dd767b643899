"""How this room tells that something happened: one function, given to it.

Source: Docker Engine API, "SystemEvents".
"""

from collections.abc import Callable, Mapping

Emit = Callable[[str, str, str, Mapping[str, str]], None]
"""``emit(type, action, id, attributes)``, type being container, network or volume."""
