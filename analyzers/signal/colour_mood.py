"""Mood words for a picture's colours, each by a rule over four measures.

The rules are this project's own, read off the three factors of colour emotion that studies agree on, activity (here
colourfulness and contrast), weight (brightness) and heat (warmth): Ou et al., Color Res. Appl. 29(3), 2004. The
thresholds are not yet tuned. A rule is a conjunction of soft thresholds: each is met by 0.5 on the threshold, by 1
from one width above, by 0 from one width below; the rule by its least met part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MoodName = Literal["monochrome", "vibrant", "dramatic", "sombre", "sunny", "cosy", "fresh", "cold", "soft", "neutral"]

Measure = Literal["brightness", "colourfulness", "contrast", "warmth"]

_WIDTH: dict[Measure, float] = {"brightness": 0.10, "colourfulness": 7.5, "contrast": 0.04, "warmth": 0.15}
"""Half the range over which a threshold is met by degrees."""


@dataclass(frozen=True)
class Part:
    """``measure`` above (or below) ``threshold``."""

    measure: Measure
    above: bool
    threshold: float

    def degree(self, value: float) -> float:
        """How well ``value`` meets it, in [0, 1]; 0.5 on the threshold."""
        distance = value - self.threshold if self.above else self.threshold - value
        return min(1.0, max(0.0, 0.5 + distance / (2.0 * _WIDTH[self.measure])))

    def __str__(self) -> str:
        return f"{self.measure} {'>' if self.above else '<'} {self.threshold:g}"


RULES: dict[MoodName, tuple[Part, ...]] = {
    # Half way from Hasler and Suesstrunk's "not" to "slightly colourful".
    "monochrome": (Part("colourfulness", False, 7.5),),
    # From their "quite colourful" on.
    "vibrant": (Part("colourfulness", True, 59.0), Part("brightness", True, 0.35)),
    "dramatic": (Part("brightness", False, 0.40), Part("contrast", True, 0.20), Part("colourfulness", True, 7.5)),
    "sombre": (Part("brightness", False, 0.30), Part("contrast", False, 0.20), Part("colourfulness", True, 7.5)),
    "sunny": (Part("warmth", True, 0.25), Part("brightness", True, 0.60)),
    "cosy": (Part("warmth", True, 0.25), Part("brightness", False, 0.60), Part("brightness", True, 0.25)),
    "fresh": (Part("warmth", False, -0.15), Part("brightness", True, 0.55)),
    "cold": (Part("warmth", False, -0.15), Part("brightness", False, 0.55), Part("brightness", True, 0.25)),
    "soft": (Part("contrast", False, 0.12), Part("brightness", True, 0.65), Part("colourfulness", False, 33.0)),
}


@dataclass(frozen=True)
class Verdict:
    """The best met rule, or ``neutral`` where none is met by more than one half."""

    name: MoodName
    score: float
    rule: str
    scores: dict[MoodName, float]


def judge(brightness: float, colourfulness: float, contrast: float, warmth: float) -> Verdict:
    """Mood of a picture.

    Args:
        brightness: CIELAB lightness over 100.
        colourfulness: Hasler and Suesstrunk's M.
        contrast: Standard deviation of luma over 255.
        warmth: Ou's warm-cool scale with gray at 0.
    """
    values: dict[Measure, float] = {
        "brightness": brightness,
        "colourfulness": colourfulness,
        "contrast": contrast,
        "warmth": warmth,
    }
    scores = {name: min(part.degree(values[part.measure]) for part in rule) for name, rule in RULES.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] <= 0.5:
        return Verdict("neutral", 1.0 - scores[best], "no other rule is met by more than 0.5", scores)
    return Verdict(best, scores[best], " and ".join(str(part) for part in RULES[best]), scores)
