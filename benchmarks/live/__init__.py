# SPDX-License-Identifier: MIT
"""Live benchmarks: real traffic between namespaces, diverted by us and by others."""
