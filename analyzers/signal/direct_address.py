"""Words of the second person, by which a speaker turns to the viewer.

The lists hold the personal, possessive and reflexive pronouns of the second person, as any grammar gives them (an
overview of the categories: Cysouw, "The paradigmatic structure of person marking", 2003), without those that are also
another common word ("te", "ton", "ti"). Languages that leave the pronoun out (es, it, pt) show the second person mostly
in the verb, so there the count is too low. Nothing tells the viewer from somebody else who is spoken to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

SECOND_PERSON: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "you your yours yourself yourselves y'all ya u you're you've you'll you'd",
        "de": "du dich dir dein deine deinem deinen deiner deines euch euer eure eurem euren eurer eures",
        "fr": "tu toi vous votre vos",
        "es": "tú vos usted ustedes vosotros vosotras contigo tuyo tuya tuyos tuyas vuestro vuestra vuestros vuestras",
        "it": "tu voi tuo tua tuoi tue vostro vostra vostri vostre",
        "pt": "você vocês tu contigo teu tua teus tuas",
        "nl": "jij je jou jouw jullie u uw",
    }.items()
}
"""ISO 639-1 to words in lower case."""

CURLY = "\u2019"
"""The typographic apostrophe."""

AROUND = " .,!?:;\"'()[]-\u2026\u201c\u201d\u00ab\u00bb\u00bf\u00a1"
"""Signs that stand around a word."""


def second_person(words: Sequence[str], language: str) -> list[tuple[str, int]] | None:
    """The second-person words among ``words`` with their number, most frequent first; None without a list.

    Args:
        words: As they are written, with or without punctuation.
        language: ISO 639-1.
    """
    known = SECOND_PERSON.get(language)
    if known is None:
        return None
    bare = (word.casefold().replace(CURLY, "'").strip(AROUND) for word in words)
    counted = Counter(word for word in bare if word in known)
    return sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
