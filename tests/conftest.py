# SPDX-License-Identifier: MIT
"""What all tests start from."""

import signal

# A shell's background job ignores Ctrl-C, and so would the programs that tests send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)
