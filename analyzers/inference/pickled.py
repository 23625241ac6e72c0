"""What goes wrong with a file of pickled tensors that was cut, changed, or never was one."""

from __future__ import annotations

import pickle
import struct

UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""pickle's documentation names most of these and says that there may be others; torch adds those of its readers."""
