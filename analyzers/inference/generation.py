"""Greedy generation, the same way for every model that writes text: bounded in tokens and time, with probabilities.

Sampling is what makes a language model invent; every text here is the model's most likely next token again and again,
so the same input gives the same text. The confidence of a text is the mean probability that the model gave its tokens,
read from the scores of each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from analyzers.base import AnalysisFailed
from analyzers.stop import nobody_waits

CONFIDENCE_DIGITS = 4
"""Of published confidences; the others are rounding of sums taken in another order."""

OVERFLOW_REMEDY = (
    "Check the weights with `tiktok-analyzer models verify`; if they are sound, choose another video_language_model in "
    "the yaml, or a card that computes in bfloat16 (compute capability 8 or higher)."
)

Ending = Literal["end", "length", "time"]
"""Why a text ended: the model ended it, or the bound on tokens or on time did."""


@dataclass(frozen=True)
class Generated:
    """One generated text.

    Attributes:
        text: Without special tokens and surrounding space; may be empty.
        confidence: Mean probability of its tokens, in [0, 1]; 0 without any. The token that ends a text is not counted.
        tokens: How many tokens it has.
        ending: Why it ended.
    """

    text: str
    confidence: float
    tokens: int
    ending: Ending

    def rounded(self) -> Generated:
        """With a confidence of four digits: what else is in a batch changes the seventh."""
        return replace(self, confidence=round(self.confidence, CONFIDENCE_DIGITS))


UNWRITTEN = Generated("", 0.0, 0, "time")
"""What comes of a text whose time was up before it began."""


@dataclass(frozen=True)
class Bounds:
    """How far generation may go.

    Attributes:
        max_new_tokens: Per text.
        until_s: ``time.monotonic()`` at which every text ends after its current token.
        stopped: Asked before each token; True ends every text, as the time does. Without an own one: whether anybody
            still waits for the texts.
    """

    max_new_tokens: int
    until_s: float
    stopped: Callable[[], bool] = nobody_waits

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.stopped() or time.monotonic() >= self.until_s


def make_greedy(model: Any, tokenizer: Any) -> None:
    """Replaces what the checkpoint says about generation by greedy decoding; its special tokens are kept.

    Checkpoints come with sampling, temperatures and penalties of their own, which ``generate`` merges into whatever it
    is given.
    """
    from transformers import GenerationConfig

    theirs = model.generation_config
    end = theirs.eos_token_id if theirs.eos_token_id is not None else tokenizer.eos_token_id
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else _first(end)
    greedy = GenerationConfig(
        do_sample=False,
        num_beams=1,
        use_cache=True,
        eos_token_id=end,
        pad_token_id=pad,
        bos_token_id=theirs.bos_token_id,
        decoder_start_token_id=theirs.decoder_start_token_id,
    )
    inner = getattr(model, "language_model", None)
    for part in (model, inner):
        if part is not None and getattr(part, "generation_config", None) is not None:
            part.generation_config = greedy


def generate(model: Any, tokenizer: Any, inputs: Mapping[str, Any], bounds: Bounds) -> list[Generated]:
    """One text for each row of ``inputs``, in order.

    Args:
        model: Of transformers, after ``make_greedy``.
        tokenizer: Turns tokens into text.
        inputs: Of ``model.generate``.
        bounds: When to end.

    Raises:
        AnalysisFailed: ``number_overflow``: the model's numbers left the range of its format.
    """
    import torch

    recorder, watch = _recorder(), _watch(bounds)
    with torch.inference_mode():
        sequences = model.generate(
            **inputs,
            max_new_tokens=bounds.max_new_tokens,
            logits_processor=[recorder],
            stopping_criteria=[watch],
        )
    steps = len(recorder.steps)
    chosen = sequences[:, sequences.shape[1] - steps :]  # whatever of the prompt stands before
    probabilities = torch.stack(recorder.steps, dim=1).cpu()
    if not bool(torch.isfinite(probabilities).all()):
        raise AnalysisFailed(
            "number_overflow", f"Scores of the model are no numbers in {model.dtype}.", OVERFLOW_REMEDY
        )
    ends = _ends(model)
    return [
        _generated(tokenizer, row, p, ends, watch.ended)
        for row, p in zip(chosen.cpu().tolist(), probabilities.tolist(), strict=True)
    ]


def _generated(
    tokenizer: Any, row: Sequence[int], probabilities: Sequence[float], ends: frozenset[int], in_time: bool
) -> Generated:
    count = next((i for i, token in enumerate(row) if token in ends), len(row))
    text = tokenizer.decode(row[:count], skip_special_tokens=True).strip()
    ending: Ending = "end" if count < len(row) else "time" if in_time else "length"
    own = probabilities[:count]
    return Generated(text, sum(own) / count if count else 0.0, count, ending)


def _recorder() -> Any:
    """Keeps the probability of the token that greedy decoding takes at each step, and none of the score tables: those
    of 150,000 words and 100 steps would fill a gigabyte."""
    from transformers import LogitsProcessor

    class Recorder(LogitsProcessor):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.steps: list[Any] = []

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            self.steps.append(scores.float().softmax(dim=-1).amax(dim=-1))
            return scores

    return Recorder()


def _watch(bounds: Bounds) -> Any:
    """Ends all rows when the time is up; asked after each token."""
    import torch
    from transformers import StoppingCriteria

    class Watch(StoppingCriteria):  # type: ignore[misc,unused-ignore]
        ended = False

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            self.ended = self.ended or bounds.over
            return torch.full((len(input_ids),), self.ended, dtype=torch.bool, device=input_ids.device)

    return Watch()


def _ends(model: Any) -> frozenset[int]:
    end = model.generation_config.eos_token_id
    return frozenset(end if isinstance(end, (list, tuple)) else [] if end is None else [end])


def _first(token: Any) -> Any:
    return token[0] if isinstance(token, (list, tuple)) else token
