"""What a command needs beyond the core of the package, checked before it does anything."""

import importlib.util
from collections.abc import Mapping

from tl_arrayapi.errors import MissingLibraryError

__all__ = ["CLUSTERS", "DEMO", "require"]

CLUSTERS = {"dask": "dask", "distributed": "distributed"}
"""What clusters import, with the names under which it is installed."""

DEMO = {
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "rich": "rich",
    **CLUSTERS,
}
"""What `train digits` imports, with the names under which it is installed."""


def require(modules: Mapping[str, str], extra: str) -> None:
    """Raise MissingLibraryError, naming the extra to install, unless all ``modules`` can be imported.

    >>> require({"json": "json"}, "demo")
    """
    missing = [project for module, project in modules.items() if importlib.util.find_spec(module) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MissingLibraryError(f"{', '.join(missing)} {are} not installed: pip install 'tl-arrayapi[{extra}]'")
