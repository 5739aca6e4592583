# SPDX-License-Identifier: MIT
"""The Python processes that divert; each prints "ready", works, and reports in JSON."""
