# SPDX-License-Identifier: MIT
"""The main job: packets diverted, edited and delivered. ``./dev demo`` runs it.

On live traffic between hosts that it makes for itself, if this process may;
otherwise on a recorded capture, and it says why. ``--replay`` asks for that.
"""

from __future__ import annotations

import shutil
import sys

import fastdivert as fd

import live  # isort: skip
import replay  # isort: skip


def obstacle() -> str | None:
    """Why there can be no live demo here, by trying; None if there can."""
    from fastdivert.linux import trial

    if not sys.platform.startswith("linux"):
        return f"there is no live driver for {sys.platform} in the demo"
    try:
        trial.divert_one()
    except fd.FastDivertError as error:  # it says the cause and the cure
        return str(error)
    except PermissionError as error:
        return f"making a network namespace: {error.strerror}; run as root"
    except (NotImplementedError, OSError) as error:
        return str(error)
    return None if shutil.which("ip") else "the command ip is missing (Debian: iproute2)"


def main(*arguments: str) -> int:
    why = "it was asked for" if "--replay" in arguments else obstacle()
    try:
        if why is None:
            print("On live traffic.", end=" ")
            live.main()
        else:
            print(f"On a recorded capture instead of live traffic: {why}.\n")
            replay.main()
    except KeyboardInterrupt:
        print("\nended by Ctrl-C", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
