"""Layers that are named in a manifest but live elsewhere, and things that are no image at all.

Source: OCI image-spec, layer.md "Non-Distributable Layers"; Docker "Image Manifest V2, Schema 2" (foreign layers).
"""

from kit.engine.registry.errors import BadAnswer, ForeignLayer
from kit.oci.descriptor import CONFIGS, LAYERS
from kit.oci.manifest import Manifest

_FOREIGN = ("application/vnd.docker.image.rootfs.foreign.", "application/vnd.oci.image.layer.nondistributable.")


def check_is_image(manifest: Manifest, name: str) -> None:
    """Every part is of a kind that this engine can hold.

    Raises:
        ForeignLayer: a layer whose bytes are elsewhere.
        BadAnswer: a Helm chart, a signature, an encrypted layer, …
    """
    for layer in manifest.layers:
        if layer.media_type.startswith(_FOREIGN):
            raise ForeignLayer(layer.digest, layer.media_type)
        if layer.media_type not in LAYERS:
            raise BadAnswer(f"unsupported media type {layer.media_type!r} of layer {layer.digest} in {name}")
    if manifest.config.media_type not in CONFIGS:
        raise BadAnswer(f"{name} is no container image: its config is of type {manifest.config.media_type!r}")
