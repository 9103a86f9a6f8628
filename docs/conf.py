"""How Sphinx builds the documentation: ``make docs``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generated_pages import write_pages
from port_pages import write_port_pages
from verification_page import write_tables

import rel4

_GENERATED = Path(__file__).parent / "generated"
write_pages(_GENERATED)
write_tables(_GENERATED)
write_port_pages(_GENERATED)

project = "rel4-uintr"
author = "The rel4-uintr authors"
release = version = rel4.__version__
extensions = ["myst_parser", "sphinx.ext.doctest"]
myst_heading_anchors = 3
exclude_patterns = ["data"]
html_theme = "furo"
html_title = f"rel4-uintr {release}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# Pages point at files of the source, which are no pages.
suppress_warnings = ["myst.xref_missing"]
