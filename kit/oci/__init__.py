"""What an image is: values of the OCI image-spec. No I/O.

An image is a config (how to run it, which layers), layers (changesets of files), and a manifest that
names them all by digest. Start with ``digest``, then ``descriptor``, ``config``, ``manifest``, ``reference``.
"""
