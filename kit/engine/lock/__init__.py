"""A locked engine: it serves a stranger, and its owner has decided beforehand what the stranger may have.

One folder to bind from, one registry to trade with, so much disk, so many processes, so much time. What asks for
more gets the answer that Docker gives where the thing is not there: a bind source that does not exist, a host that
nobody knows, a full disk, a killed process.

    terms      what is allowed, read from a file
    binds      the one folder
    isolator   whatever runs, runs through here
    quota      disk and time, watched
    wall       what the engine's own process may open and reach
"""
