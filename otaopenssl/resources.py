"""Where the tool's own templates/ lie: in the installed package, else in the checkout."""

from pathlib import Path

from otaopenssl.errors import Unfit

_PACKAGE_DIR = Path(__file__).parent


def templates_dir() -> Path:
    """The directory of the audited texts and templates.

    A wheel carries it inside the package; an editable installation uses the checkout's, which has pyproject.toml beside
    it. Raises Unfit where there is neither.
    """
    packaged = _PACKAGE_DIR / "templates"
    if packaged.is_dir():
        return packaged
    checkout = _PACKAGE_DIR.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "templates").is_dir():
        return checkout / "templates"
    raise Unfit("the audited texts are not where the program is installed", hint="install otaopenssl again")
