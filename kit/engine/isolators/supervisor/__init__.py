"""A process tree in a root file system, kept there by a supervisor that needs no privilege.

Reading order: ``calls`` and ``filter`` say which system calls stop, ``keeper`` is the supervisor's life, ``paths``
finds files for the container, ``files``, ``facts``, ``people`` and ``sockets`` answer the calls, ``tracer`` and
``execution`` do what the kernel must do itself, ``walls`` is what remains if all of that were wrong.
"""
