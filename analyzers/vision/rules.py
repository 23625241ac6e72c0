"""What a rule about a person's joints is: its thresholds, its name, its words, what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from analyzers.vision.skeleton import Skeleton

Side = Literal["left", "right", "both"]
"""The person's own left and right."""

Kind = Literal["gesture", "posture"]


@dataclass(frozen=True)
class GestureSettings:
    """Thresholds; lengths in trunks, angles in degrees. ``BodyPoseConfig`` says what each does.

    The fields have the names of the settings.
    """

    min_joint: float
    raise_height: float
    up_height: float
    straight_deg: float
    point_deg: float
    level_deg: float
    face_reach: float
    cross_width: float
    hip_reach: float
    elbow_out: float
    hands_apart: float
    sit_drop: float
    feet_apart: float
    stand_drop: float
    lean_deg: float
    lie_deg: float
    head_deg: float


@dataclass(frozen=True)
class Hit:
    """One rule that holds.

    Attributes:
        name: Of the gesture or posture.
        side: Which arm; None where sides have no meaning.
        score: Lowest confidence of the joints that were read, in [0, 1].
    """

    name: str
    side: Side | None
    score: float


@dataclass(frozen=True)
class Rule:
    """A named rule.

    Attributes:
        name: What it finds.
        kind: A posture lasts, a gesture is made.
        text: The rule in words; ``{field}`` stands for a setting.
        find: The rule itself: a skeleton, its trunk in px and the thresholds to the hits.
    """

    name: str
    kind: Kind
    text: str
    find: Callable[[Skeleton, float, GestureSettings], list[Hit]]

    def said(self, settings: GestureSettings) -> str:
        """The rule with its thresholds."""
        return self.text.format(**vars(settings))


def hit(person: Skeleton, name: str, side: Side | None, *joints: str) -> list[Hit]:
    """One hit, with the lowest confidence of the joints that were read."""
    return [Hit(name, side, person.confidence(joints))]
