"""The gateway that devices are made with. Most ask none, and what asking one takes would be a part of their time."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional

from otaopenssl.cli.options import Asking
from otaopenssl.errors import Error

if TYPE_CHECKING:
    from otaopenssl.gateway_root import GatewayOrder


def gateway_order(asking: Asking, project_dir: Path, problems: list[Error]) -> Optional["GatewayOrder"]:
    """The gateway that the options or the guide's variable name, None where they name none.

    What is wrong with it is added to the problems.
    """
    if not asking.is_given():
        return None
    from otaopenssl.cli import fetching

    try:
        return fetching.gateway_order(asking, project_dir)
    except Error as problem:
        problems.append(problem)
        return None
