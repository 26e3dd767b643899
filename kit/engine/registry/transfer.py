"""The door of this room: whole images between an engine and a registry.

``pull`` and ``push`` yield ``Event``s; what they need of the store stands in ``PullSink`` and ``PushSource``.
"""

from kit.engine.registry.auth import Credentials
from kit.engine.registry.client import Registry
from kit.engine.registry.endpoints import Patience, Settings
from kit.engine.registry.events import Event
from kit.engine.registry.platforms import parse_platform, platform_of
from kit.engine.registry.pull import Pulled, PullSink, pull
from kit.engine.registry.push import PushSource, push
from kit.engine.registry.whereabouts import Whereabouts

__all__ = [
    "Credentials",
    "Event",
    "Patience",
    "PullSink",
    "Pulled",
    "PushSource",
    "Registry",
    "Settings",
    "Whereabouts",
    "parse_platform",
    "platform_of",
    "pull",
    "push",
]
