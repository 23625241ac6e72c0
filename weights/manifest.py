"""Every model that an analyzer may load.

Revisions and digests stand here only where a public source states them. A revision of None is not a gap in the
checking: the first verified pull records commit and sha256 in ``weights.lock.json`` beside the weights, and every later
pull and ``tiktok-analyzer models verify`` hold the files to that. A size that no source states is counted from the
architecture and says so (``size_known``).
"""

from __future__ import annotations

from weights.manifest_people import PEOPLE
from weights.manifest_sound import SOUND
from weights.manifest_text import TEXT
from weights.manifest_vision import VISION
from weights.pin import Pin

PINS: tuple[Pin, ...] = (*VISION, *PEOPLE, *TEXT, *SOUND)
"""In the order of the documents: video language models, objects, places, CLIP, people, text, sound."""

_BY_NAME = {pin.name: pin for pin in PINS}


def pin(name: str) -> Pin:
    """The pin with this name.

    Raises:
        KeyError: There is none; the text names those there are.
    """
    if name not in _BY_NAME:
        raise KeyError(f"there is no pinned model {name!r}; there are: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
