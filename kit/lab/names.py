"""Giving images names, and listing them: ``kit.tag``, ``kit.tags``."""

from kit.errors import Denied, Invalid, NotFound, Unavailable
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.images import Image
from kit.lab.ledger import note
from kit.lab.remote import is_loopback, read_manifest
from kit.oci.reference import InvalidReference, Reference, parse_reference
from kit.views.models.names import Name, Tagged, TagMap


def name_of(image: "str | Image") -> str:
    """What to call an image in front of an engine."""
    return image.reference if isinstance(image, Image) else image


def tag(source: "str | Image", target: str, *, lab: Lab | None = None) -> Tagged:
    """Give the image ``source`` one more name. A name that led elsewhere is moved; no byte is copied.

    Raises:
        NoSuchImage: there is no ``source``. InvalidReference: no image can have the name ``target``.
    """
    lab = lab or connect()
    name = parse_reference(target).with_default_tag()
    if name.digest:
        raise Invalid(f"{target!r} holds a digest: that names content, which is there or not. Give a name and a tag")
    before = _image_id(lab, name.familiar)
    with asking(lab, name_of(source)):
        lab.client.api.tag(name_of(source), name.familiar_name, name.tag)
    image_id = _image_id(lab, name.familiar)
    note(lab.home, name.familiar, image_id)
    return Tagged(name.familiar, image_id, name_of(source), before)


def _image_id(lab: Lab, name: str) -> str:
    """Where a name leads; "" for nowhere."""
    try:
        with asking(lab, name):
            return str(lab.client.api.inspect_image(name)["Id"])
    except NotFound:
        return ""


def tags(prefix: str = "", *, lab: Lab | None = None) -> TagMap:
    """The names of images that the engine has and that begin with ``prefix``, in order.

    A name that begins with a registry of this machine is looked up there, too: is it the same image?
    """
    lab = lab or connect()
    with asking(lab):
        listed = lab.client.api.images()
    pairs = sorted(
        (name, image["Id"])
        for image in listed
        for name in image.get("RepoTags") or ()
        if name.startswith(prefix) and name != "<none>:<none>"
    )
    return TagMap([Name(name, image_id, _there(name, image_id)) for name, image_id in pairs], prefix)


def _there(name: str, image_id: str) -> str:
    """How the image under this name in the registry compares with the one here; "" if that is not to be known."""
    try:
        reference: Reference = parse_reference(name)
        if not is_loopback(reference.registry):
            return ""
        manifest = read_manifest(reference)
    except NotFound:
        return "missing"
    except (InvalidReference, Invalid, Unavailable, Denied):
        return ""
    return "same" if image_id in (manifest.config.digest, manifest.digest) else "differs"
