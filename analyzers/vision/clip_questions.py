"""What CLIP is asked about each picture: sets of sentences of which the picture fits one best.

The pairs of opposites are those of CLIP-IQA (Wang, Chan and Loy, "Exploring CLIP for Assessing the Look and Feel of
Images", AAAI 2023), in its wording: two opposites cancel what a sentence has in common with any photo. The other sets
use the plain template of Radford et al. (ICML 2021). Their answers are similarities, not measurements: which of the
sentences is nearest, among these.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One set of sentences.

    Attributes:
        name: For programs.
        answers: Pairs of a label and its sentence, two at least.
    """

    name: str
    answers: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the answers, in order."""
        return tuple(label for label, _ in self.answers)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Of the answers, in order."""
        return tuple(sentence for _, sentence in self.answers)


def _opposites(name: str, yes: str, no: str) -> Question:
    return Question(name, ((yes.lower(), f"{yes} photo."), (no.lower(), f"{no} photo.")))


QUALITY = _opposites("quality", "Good", "Bad")
SHARPNESS = _opposites("sharpness", "Sharp", "Blurry")
NOISE = _opposites("noise", "Clean", "Noisy")
BEAUTY = _opposites("beauty", "Beautiful", "Ugly")
INTEREST = _opposites("interest", "Interesting", "Boring")

SHOT_SIZE = Question(
    "shot_size",
    (
        ("extreme_close_up", "an extreme close-up photo of a detail"),
        ("close_up", "a close-up photo of a face"),
        ("medium_shot", "a medium shot of a person from the waist up"),
        ("full_shot", "a full shot of a person from head to toe"),
        ("wide_shot", "a wide shot of a place"),
    ),
)

LAYOUT = Question(
    "layout",
    (
        ("centered", "a photo with its subject in the center"),
        ("off_center", "a photo with its subject on one side"),
        ("symmetric", "a symmetrical photo"),
        ("leading_lines", "a photo with lines leading into the distance"),
        ("empty_space", "a photo with a small subject and much empty space"),
        ("pattern", "a photo filled with a pattern"),
    ),
)

LIGHT = Question(
    "light",
    (
        ("daylight", "a photo in natural daylight"),
        ("sunset", "a photo at sunset or sunrise"),
        ("indoor_light", "a photo under indoor lamps"),
        ("studio_light", "a photo under studio lights"),
        ("neon", "a photo in colorful neon light"),
        ("night", "a dark photo taken at night"),
        ("backlight", "a photo of a silhouette against the light"),
    ),
)

FORMAT = Question(
    "format",
    (
        ("talking_head", "a person talking to the camera"),
        ("vlog", "a selfie video of a person on the move"),
        ("tutorial", "hands showing how something is made"),
        ("product", "a product presented for sale"),
        ("music", "a person dancing or singing"),
        ("skit", "actors playing a scene"),
        ("sport", "people doing sports"),
        ("food", "food on a plate"),
        ("animal", "an animal"),
        ("landscape", "a landscape or a city without people in front"),
        ("screen", "a screen recording of a computer or phone"),
        ("text", "a picture that is mostly text"),
    ),
)

QUESTIONS: tuple[Question, ...] = (
    QUALITY,
    SHARPNESS,
    NOISE,
    BEAUTY,
    INTEREST,
    SHOT_SIZE,
    LAYOUT,
    LIGHT,
    FORMAT,
)
"""All of them are asked of every picture; a question costs one small product of matrices."""
