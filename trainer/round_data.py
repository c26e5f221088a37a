"""Read a round's data and tokenize it: training pairs, held-out pairs, ratings, prompts to sample from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from data.errors import PromptError, RoundError
from data.records import Message
from trainer.evaluation.canary import CanaryAnswer
from trainer.forward.encoding import Cuts, Encoder, TokenPair, TokenRating
from trainer.forward.packing import Group
from trainer.interface.config import KTOConfig, RoundConfig, SummedBeta
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base

_JUDGED = 64  # snapshot lines considered for the canary, which uses the first that fits


@dataclass(frozen=True, slots=True)
class Data:
    """A round's examples as token ids, the prompts to sample from, judged answers, and what did not fit."""

    train: list[TokenPair]
    heldout: list[TokenPair]
    rated: list[TokenRating]
    prompts: list[tuple[Message, ...]]
    judged: list[CanaryAnswer]
    cuts: Cuts

    def groups(self) -> list[Group]:
        """Return everything that is trained on, as groups."""
        return [*(pair.group for pair in self.train), *(rating.group for rating in self.rated)]

    @property
    def completion_tokens(self) -> float:
        """Mean number of tokens of the completions trained on."""
        return mean(len(completion) for group in self.groups() for completion in group.completions)


def read_data(directory: RoundDir, base: Base, config: RoundConfig) -> Data:
    """Read and tokenize a round's examples. Raises RoundError when nothing is left to train on."""
    pairs, heldout, rated = directory.pairs(), directory.heldout(), directory.rated()
    encoder = Encoder(base, max_tokens=config.training.max_tokens)
    train, kept, ratings = encoder.pairs(pairs), encoder.pairs(heldout), encoder.ratings(rated)
    pairs, heldout = ([one for one in lines if one.pair_id not in encoder.cuts.refused] for lines in (pairs, heldout))
    rated = [one for one in rated if one.pair_id not in encoder.cuts.refused]
    data = Data(
        train=train,
        heldout=kept,
        rated=ratings,
        prompts=[example.prompt for example in heldout or pairs or rated],
        judged=[
            CanaryAnswer(line.prompt, ids) for line in (pairs or rated)[:_JUDGED] for ids in encoder.completions(line)
        ],
        cuts=encoder.cuts,
    )
    if not (data.train or (data.rated and isinstance(config.training, KTOConfig))):
        dropped = [f"{data.cuts.dropped} were too long for the model"] if data.cuts.dropped else []
        words = "; ".join([*dropped, *data.cuts.notes()])
        raise RoundError(f"round directory {directory.path} holds nothing to train on{words and f' ({words})'}")
    return data


def unasked(base: Base, probes: Sequence[tuple[Message, ...]]) -> list[str]:
    """Return a note for each probe that the model's chat template rejects."""
    notes = []
    for number, probe in enumerate(probes, 1):
        try:
            base.prompt_ids(probe)
        except PromptError as refusal:
            notes.append(f"probe {number} is left out: {refusal}")
    return notes


def with_beta(config: RoundConfig, data: Data, say: Callable[[str], None]) -> RoundConfig:
    """Return the settings with a beta chosen by the length of the completions, where none was set."""
    training = config.training
    if not isinstance(training, SummedBeta) or training.beta is not None:
        return config
    tokens = data.completion_tokens
    fitted = training.for_length(tokens)
    if fitted.summed_beta < training.summed_beta:
        say(
            f"beta is {fitted.summed_beta:.2g} in place of {training.summed_beta:g}: completions have {tokens:.0f} "
            "tokens on average; beta in [training] sets another"
        )
    return config.model_copy(update={"training": fitted})
