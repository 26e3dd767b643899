"""The network: pulling from and pushing to a registry, over HTTP.

``messages``, ``auth`` and ``distribution`` turn messages into messages and know no socket; ``transport`` is the
only module that sends anything. ``client`` is one registry; ``transfer`` is the door for whole images.
"""
