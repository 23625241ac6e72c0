"""ADE20K's 150 classes, and what they say about the place of a picture.

Classes: Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017; their order is that of the SceneParse150
benchmark. Which class speaks for which place is set here by hand, by what the class is: a stove stands in a kitchen.
The weights are not learned and not tuned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_LIST = """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair,
seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers,
counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table,
pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench,
countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel,
light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, dirt track, apparel,
pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt,
canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball,
food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood,
sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator,
glass, clock, flag
"""

CLASSES: tuple[str, ...] = tuple(re.split(r",\s+", _LIST.strip()))
"""In the order of the network's outputs."""

FOREGROUND = frozenset({"person", "animal", "apparel", "bag", "ball", "food", "plaything"})
"""What moves or is shown before a background; left out when backgrounds are compared."""

INDOOR: dict[str, float] = {
    **dict.fromkeys(("ceiling", "bed", "bathtub", "toilet", "refrigerator", "stove", "oven", "chandelier"), 1.0),
    **dict.fromkeys(("sofa", "armchair", "wardrobe", "bookcase", "cabinet", "chest of drawers", "countertop"), 1.0),
    **dict.fromkeys(("kitchen island", "dishwasher", "microwave", "coffee table", "fireplace", "sink", "shower"), 1.0),
    **dict.fromkeys(("desk", "swivel chair", "ottoman", "pillow", "radiator", "pool table", "escalator"), 1.0),
    **dict.fromkeys(("floor", "curtain", "rug", "blind", "screen door", "lamp", "shelf", "mirror", "cushion"), 0.8),
    **dict.fromkeys(("wall", "door", "painting", "table", "television receiver", "computer", "monitor"), 0.5),
}
"""Classes found in rooms, and how surely: walls and doors are seen from outside as well."""

OUTDOOR: dict[str, float] = {
    **dict.fromkeys(("sky", "road", "mountain", "sea", "sand", "field", "hill", "river", "lake", "waterfall"), 1.0),
    **dict.fromkeys(("skyscraper", "sidewalk", "dirt track", "runway", "streetlight", "traffic light", "land"), 1.0),
    **dict.fromkeys(("tree", "grass", "earth", "rock", "building", "house", "path", "palm", "bridge", "pier"), 0.8),
    **dict.fromkeys(("car", "bus", "truck", "van", "boat", "ship", "awning", "tower", "hovel", "grandstand"), 0.8),
    **dict.fromkeys(("fence", "water", "tent", "canopy", "fountain"), 0.5),
}
"""Classes found under the open sky, and how surely."""

PLACES: dict[str, tuple[Literal["indoor", "outdoor"], dict[str, float]]] = {
    "kitchen": (
        "indoor",
        {"stove": 0.8, "oven": 0.7, "dishwasher": 0.7, "kitchen island": 0.8, "refrigerator": 0.6, "microwave": 0.6}
        | {"hood": 0.6, "countertop": 0.5, "sink": 0.3, "cabinet": 0.2},
    ),
    "bedroom": ("indoor", {"bed": 0.9, "pillow": 0.4, "blanket": 0.3, "wardrobe": 0.4, "cradle": 0.6}),
    "bathroom": (
        "indoor",
        {"toilet": 0.9, "bathtub": 0.9, "shower": 0.8, "screen door": 0.3, "sink": 0.4, "towel": 0.4},
    ),
    "living room": (
        "indoor",
        {"sofa": 0.7, "coffee table": 0.6, "fireplace": 0.6, "armchair": 0.5, "television receiver": 0.4}
        | {"cushion": 0.2, "ottoman": 0.3, "rug": 0.2},
    ),
    "office": ("indoor", {"desk": 0.5, "computer": 0.5, "monitor": 0.4, "swivel chair": 0.6, "bookcase": 0.2}),
    "bar or restaurant": ("indoor", {"bar": 0.7, "pool table": 0.5, "stool": 0.3, "booth": 0.4, "buffet": 0.6}),
    "stage": ("indoor", {"stage": 0.8, "screen": 0.2, "curtain": 0.1}),
    "street": (
        "outdoor",
        {"road": 0.6, "sidewalk": 0.5, "traffic light": 0.5, "car": 0.4, "bus": 0.4, "truck": 0.3, "van": 0.3}
        | {"streetlight": 0.3, "building": 0.2, "skyscraper": 0.3, "signboard": 0.1},
    ),
    "beach": ("outdoor", {"sand": 0.5, "sea": 0.5, "palm": 0.2}),
    "waterside": ("outdoor", {"lake": 0.6, "river": 0.6, "sea": 0.4, "water": 0.4, "boat": 0.4, "pier": 0.5}),
    "nature": (
        "outdoor",
        {"tree": 0.4, "mountain": 0.6, "field": 0.5, "hill": 0.5, "grass": 0.4, "rock": 0.4, "earth": 0.3}
        | {"waterfall": 0.7, "dirt track": 0.4, "palm": 0.2},
    ),
    "swimming pool": ("outdoor", {"swimming pool": 0.9}),
}
"""Named places: where they are, and how surely each class speaks for them."""


@dataclass(frozen=True)
class SettingRule:
    """Thresholds of ``setting_of``.

    Attributes:
        min_evidence: Least weighted share of the picture that speaks for indoors or outdoors at all.
        sure: Share of that evidence from which one of them is named.
        enough: Share of the picture from which a class counts in full for a named place.
        min_place: Score from which a place is named.
    """

    min_evidence: float
    sure: float
    enough: float
    min_place: float


@dataclass(frozen=True)
class Setting:
    """Where a picture was taken.

    Attributes:
        kind: ``uncertain`` where too little speaks for either, or both do.
        indoor_score: Share of the evidence that speaks for indoors, in [0, 1]; None without enough evidence.
        evidence: Weighted share of the picture that speaks for either, in [0, 1].
        place: One of ``PLACES``; None where no score reaches the threshold, or the place is not of this kind.
        place_score: Its score in [0, 1]; None without a place.
        marks: Classes that speak for the place, strongest first.
    """

    kind: Literal["indoor", "outdoor", "uncertain"]
    indoor_score: float | None
    evidence: float
    place: str | None = None
    place_score: float | None = None
    marks: tuple[str, ...] = ()


def setting_of(shares: Mapping[str, float], rule: SettingRule) -> Setting:
    """Indoors or outdoors, and which place.

    Indoors: the weighted shares of ``INDOOR`` over those of ``INDOOR`` and ``OUTDOOR`` together. A place: 1 - the
    product over its classes of (1 - weight x min(1, share / enough)), the noisy-or of Pearl (1988).

    Args:
        shares: Share of the picture by class, in [0, 1].
        rule: See there.
    """
    indoor = sum(weight * shares.get(name, 0.0) for name, weight in INDOOR.items())
    outdoor = sum(weight * shares.get(name, 0.0) for name, weight in OUTDOOR.items())
    evidence = min(1.0, indoor + outdoor)
    if evidence < rule.min_evidence or evidence <= 0.0:
        return Setting("uncertain", None, evidence)
    score = indoor / (indoor + outdoor)
    if max(score, 1.0 - score) < rule.sure:
        return Setting("uncertain", score, evidence)
    kind: Literal["indoor", "outdoor"] = "indoor" if score >= rule.sure else "outdoor"
    scores = {name: _place_score(shares, classes, rule.enough) for name, (k, classes) in PLACES.items() if k == kind}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < rule.min_place:
        return Setting(kind, score, evidence)
    classes = PLACES[best][1]
    speaks = {name: weight * min(1.0, shares.get(name, 0.0) / rule.enough) for name, weight in classes.items()}
    marks = sorted((name for name in speaks if speaks[name] > 0.0), key=lambda name: (-speaks[name], name))
    return Setting(kind, score, evidence, best, scores[best], tuple(marks))


def _place_score(shares: Mapping[str, float], classes: Mapping[str, float], enough: float) -> float:
    left = 1.0
    for name, weight in classes.items():
        left *= 1.0 - weight * min(1.0, shares.get(name, 0.0) / enough)
    return 1.0 - left


def class_name(label: str) -> str:
    """A checkpoint's label as it is spelled here: without its synonyms and surrounding space."""
    return re.split(r"[,;]", label)[0].strip().lower()
