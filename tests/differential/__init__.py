# SPDX-License-Identifier: MIT
"""fastdivert against WinDivert's own code, and its back ends against one another.

``packets``, ``addresses`` and ``filters`` make the input; ``reading`` says where
WinDivert's executor differs from ours on purpose; ``rules`` is the parser,
the fields and the checksums a second time, in plain Python.
"""
