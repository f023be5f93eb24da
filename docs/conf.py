"""The documentation's settings. The build needs nothing from the network."""

import importlib.metadata

project = "tl-arrayapi"
author = "the tl-arrayapi developers"
release = importlib.metadata.version("tl-arrayapi")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "tl-arrayapi"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
