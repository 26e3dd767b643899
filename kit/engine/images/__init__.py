"""Images as people handle them: by name, with Docker's rules for what may go and Docker's words for why not.

Start with ``catalogue``, the door.
"""
