# SPDX-License-Identifier: MIT
"""Generated filters take as long as a busy machine lets them: no deadline for an example."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("filter", deadline=None)
settings.load_profile("filter")
