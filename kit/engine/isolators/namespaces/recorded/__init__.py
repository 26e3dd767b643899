"""Owners and identities in a container that has, for the kernel, one user: root.

A user namespace of an ordinary user knows no second user. So who a process is and who owns a file is written down,
and the calls that ask or change it come here. Unlike the isolator ``seccomp``, nothing here keeps the container
inside: namespaces do. So whatever the kernel can do rightly is left to it: the answer to most calls is "go on".

Reading order: ``asked`` says which calls come here, ``people`` who a process is, ``finding`` which file is meant;
``files``, ``facts`` and ``programs`` answer, ``recorder`` puts them together.
"""
