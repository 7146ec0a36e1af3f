"""The options that have the devices of a fleet installed; light to import, since every fleet needs them."""

from typing import NamedTuple

DEFAULT_DIRECTORY = "/var/sota/import"


class ImageOptions(NamedTuple):
    """Where the devices of a fleet are installed: the options as they were given."""

    root: str
    directory: str


def images_of(root: str | None, directory: str | None) -> ImageOptions | None:
    """Where the devices of a fleet are installed, None where they are not. Raises BadInput."""
    if root is not None:
        return ImageOptions(root, DEFAULT_DIRECTORY if directory is None else directory)
    if directory is not None:
        from otaopenssl.errors import BadInput

        raise BadInput("'--directory' is given without '--install-local'", hint="give '--install-local DIR'")
    return None
