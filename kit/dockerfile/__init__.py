"""Text to plan: what a Dockerfile says, and what a build of it will do. Nothing here opens a file or a socket.

``lines`` → ``nodes`` → ``parse`` make instructions of text; ``plan`` and ``walk`` make steps of instructions, with
the help of ``variables``, ``mounts``, ``ports``, ``sources`` and ``configure``. ``checks`` and ``lint`` give advice,
``ignore`` reads a ``.dockerignore``, ``changes`` serves ``docker commit --change``.
"""
