# SPDX-License-Identifier: MIT
"""What live drivers have in common above their kernels: queues in, batches back."""
