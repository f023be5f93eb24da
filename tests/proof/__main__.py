"""Write the page of functions: ``python -m tests.proof COUNTS.json docs/functions.md``."""

import json
import sys
from pathlib import Path

from tests.proof.page import page

if len(sys.argv) != 3:
    sys.exit("usage: python -m tests.proof COUNTS.json PAGE.md")
Path(sys.argv[2]).write_text(page(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
