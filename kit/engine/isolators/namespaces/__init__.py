"""A container made of the kernel's namespaces, by a process that may make them.

``keeper`` is the process that makes and keeps a container; what it puts together stands in ``mounts`` (what
the container sees), ``profile`` (what it may ask of the kernel), ``inside`` (the last steps of a process
before its own program), ``network`` (its own loopback address) and ``cgroups`` (its bounds).
"""
