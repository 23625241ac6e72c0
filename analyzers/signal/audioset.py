"""The classes of AudioSet: which branch each belongs to, and what they say about the place of a recording.

Classes and their order: Gemmeke et al., "Audio Set: an ontology and human-labeled dataset for audio events" (ICASSP
2017). The list runs through the ontology branch by branch, so the first class of each branch is enough to know all.

The table of places is this project's own: next to AudioSet's five classes for acoustic places stand the sound sources
that are found at a place and hardly anywhere else, after the scenes of DCASE (Mesaros et al., "A multi-device dataset
for urban acoustic scene classification", 2018). Not tuned on data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

SoundKind = Literal[
    "speech",
    "human",
    "singing",
    "animal",
    "music",
    "bell",
    "nature",
    "vehicle",
    "home",
    "machine",
    "impact",
    "material",
    "signal",
    "place",
    "noise",
    "other",
]
Setting = Literal["indoor", "outdoor"]

BRANCHES: Mapping[str, SoundKind] = {
    "Speech": "speech",
    "Laughter": "human",
    "Singing": "singing",
    "Groan": "human",
    "Animal": "animal",
    "Music": "music",
    "Bell": "bell",
    "Harmonica": "music",
    "Wind": "nature",
    "Vehicle": "vehicle",
    "Door": "home",
    "Mechanisms": "machine",
    "Explosion": "impact",
    "Wood": "material",
    "Silence": "signal",
    "Inside, small room": "place",
    "Reverberation": "noise",
}
"""First class of each branch, in AudioSet's order."""

CARRIERS: frozenset[SoundKind] = frozenset({"speech", "singing", "music", "place", "noise"})
"""Kinds that go on for long and name no single sound."""

NO_SOUND = frozenset({"Silence", "Sine wave", "Harmonic"})
"""Classes of the branch ``signal`` that name no sound effect."""


@dataclass(frozen=True)
class Place:
    """A kind of place and the classes that speak for it.

    Attributes:
        name: For programs and people.
        setting: Whether such a place is under a roof; None where it may be both.
        classes: Of AudioSet.
    """

    name: str
    setting: Setting | None
    classes: tuple[str, ...]


PLACES: tuple[Place, ...] = (
    Place(
        "room",
        "indoor",
        (
            "Inside, small room",
            "Cupboard open or close",
            "Drawer open or close",
            "Sliding door",
            "Vacuum cleaner",
            "Air conditioning",
            "Television",
        ),
    ),
    Place(
        "kitchen",
        "indoor",
        (
            "Dishes, pots, and pans",
            "Cutlery, silverware",
            "Chopping (food)",
            "Frying (food)",
            "Microwave oven",
            "Blender",
            "Water tap, faucet",
            "Sink (filling or washing)",
            "Boiling",
        ),
    ),
    Place(
        "bathroom",
        "indoor",
        (
            "Bathtub (filling or washing)",
            "Toilet flush",
            "Toothbrush",
            "Electric toothbrush",
            "Hair dryer",
            "Electric shaver, electric razor",
        ),
    ),
    Place("office", "indoor", ("Typing", "Computer keyboard", "Typewriter", "Printer")),
    Place("hall", "indoor", ("Inside, large room or hall", "Reverberation", "Basketball bounce")),
    Place("public_space", "indoor", ("Inside, public space", "Cash register")),
    Place("crowd", None, ("Crowd", "Hubbub, speech noise, speech babble", "Chatter", "Cheering", "Applause")),
    Place("vehicle", None, ("Engine", "Idling", "Rail transport", "Subway, metro, underground", "Aircraft")),
    Place(
        "street",
        "outdoor",
        (
            "Outside, urban or manmade",
            "Traffic noise, roadway noise",
            "Car passing by",
            "Vehicle horn, car horn, honking",
            "Motorcycle",
            "Truck",
            "Bus",
            "Emergency vehicle",
            "Jackhammer",
            "Skateboard",
        ),
    ),
    Place(
        "nature",
        "outdoor",
        (
            "Outside, rural or natural",
            "Bird vocalization, bird call, bird song",
            "Insect",
            "Cricket",
            "Frog",
            "Rustling leaves",
            "Stream",
            "Waterfall",
        ),
    ),
    Place("waterside", "outdoor", ("Ocean", "Waves, surf", "Boat, Water vehicle", "Rowboat, canoe, kayak")),
    Place(
        "open_air",
        "outdoor",
        ("Wind", "Wind noise (microphone)", "Rain", "Rain on surface", "Thunderstorm", "Fireworks"),
    ),
)
"""Every place that can be named. Classes that a model does not have are passed over."""


def kinds_of(classes: Sequence[str]) -> dict[str, SoundKind]:
    """The branch of each class; classes stand in AudioSet's order, and ``other`` comes before the first branch."""
    kind: SoundKind = "other"
    found: dict[str, SoundKind] = {}
    for name in classes:
        kind = BRANCHES.get(name, kind)
        found[name] = kind
    return found
