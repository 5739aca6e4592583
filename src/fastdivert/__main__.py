# SPDX-License-Identifier: MIT
"""``python -m fastdivert``: the command line."""

import sys

from fastdivert.cli import main

sys.exit(main())
