"""The language of a text in Latin letters, by the small words that each language has of its own.

Articles, pronouns, prepositions and conjunctions make up near half of running text and are few: counting them tells
languages apart in a sentence or two (Grefenstette, "Comparing two language identification schemes", JADT 1995, where
words beat letter trigrams on longer texts). Different words are counted, not their repeats, because a letter that a
reader took for a word comes again. A language without a list is not found, and mostly nothing is then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LISTS: Mapping[str, str] = {
    "en": "the and to of in is it you that for on with are this was be have not but they what all your my we can do if "
    "so just will how when from at by an or me a he she his her there who out up about i should would them their",
    "de": "der die das und ist in zu den von mit nicht es ich du wir ihr sie sich auf für ein eine einen dem des auch "
    "so wie im an bei nach aber oder wenn dass noch nur aus am zum zur hat haben wird werden sind mein dein kein "
    "was",
    "es": "el la los las de y en que un una por para con no es se lo su al del como más pero sus le ya o este sí "
    "porque esta son entre cuando muy sin sobre mi tu también me hasta hay donde quien desde todo nos",
    "fr": "le la les de des du et en un une est que qui dans pour pas ce il elle je tu nous vous ils on ne se sur au "
    "aux avec plus par mais ou où son sa ses mon ma mes ton ta cette comme tout tous sont être fait leur",
    "it": "il lo la i gli le di e che un una uno in è per non con si da del della dei delle nel nella come più ma "
    "anche sono mi ti ci vi su al alla questo questa se io tu noi voi loro ho hai ha tutti",
    "nl": "de het een en van ik te dat die in is niet je op zijn met voor er maar om aan hem ze zij zich wat bij ook "
    "naar of uit door over heeft mijn kan geen nog wel worden wordt deze dit als tot",
    "pt": "o a os as de e que em um uma do da dos das no na nos nas para por com não se mais como mas foi ao ele ela "
    "seu sua ou ser quando muito já eu você também só pelo pela até isso é são está meu minha",
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _LISTS.items()
}
"""By language (ISO 639-1): frequent words of its closed classes, and forms of "be" and "have". The lists are this
project's own; words that a neighbour shares are left out where others are enough."""


@dataclass(frozen=True)
class WordEvidence:
    """What a language was decided by.

    Attributes:
        language: ISO 639-1.
        found: Its different function words in the text.
        next_best: How many of the language with the second most.
        words: Different words of the text.
    """

    language: str
    found: int
    next_best: int
    words: int


def language_by_words(texts: Iterable[str], least_words: int, lead: float) -> WordEvidence | None:
    """The language of all texts together; None where too few of its words are there, or another's nearly as many.

    Args:
        texts: In Latin letters.
        least_words: Different function words that the language must have in them.
        lead: How many times as many as the second one.
    """
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", text.casefold())}
    counts = sorted(((len(words & known), language) for language, known in FUNCTION_WORDS.items()), reverse=True)
    (found, language), (next_best, _) = counts[:2]
    if found < least_words or found < lead * next_best:
        return None
    return WordEvidence(language, found, next_best, len(words))
