"""Handles on a replay, opened short."""

from __future__ import annotations

from typing import Any

import fastdivert as fd


def replay(source: Any, filter: str = "true", **options: Any) -> fd.Handle:
    return fd.open(filter, driver="replay", source=source, **options)


def assert_balanced(stats: dict[str, Any]) -> None:
    """Every packet that matched is somewhere."""
    lost = sum(stats["dropped"].values())
    assert stats["matched"] == stats["delivered"] + stats["waiting"] + lost, stats
