"""The rule for which judgments may not count, as SQL; rounds, rebuilds, trials and exports share it.

A judgment is barred while its annotator is in quarantine, while its pair has a barring flag, or if it was given faster
than anybody can skim both answers.
"""

from dataclasses import dataclass

from data.barring.quarantines import IN_FORCE
from data.barring.reading_speed import READING_SPEED
from data.records import Flag

BARRING_FLAGS = ", ".join(f"'{flag}'" for flag in Flag if flag.bars)
"""SQL: the flags that bar a pair."""


def read_ms(j: str) -> str:
    """Return SQL for the time (ms) an annotator could read the pair of a judgment (an alias); null if not known.

    Someone who undoes or changes a judgment has read the pair before, so the times of all their looks at it are added.
    """
    return f"""
        iif({j}.elapsed_ms is null or {j}.supersedes_id is null, {j}.elapsed_ms, (
          select iif(sum(look.elapsed_ms is null), null, sum(look.elapsed_ms)) from judgment look
          where look.pair_id = {j}.pair_id and look.annotator_id = {j}.annotator_id and look.id <= {j}.id
          and look.choice <> 'retracted'))
    """


@dataclass(frozen=True, slots=True)
class Reading:
    """The state that the rule is applied to, as SQL: annotators in quarantine, and flagged pairs and judgments."""

    quarantined: str = IN_FORCE
    flagged: str = f"(select id, pair_id from current_judgment where flag in ({BARRING_FLAGS}))"


NOW = Reading()


@dataclass(frozen=True, slots=True)
class Barring:
    """The rule. too_fast: how many times normal reading speed makes a judgment too fast; 0 turns that part off.

    A judgment without a known time is never too fast. The judgment that an edit adds is barred with the one it follows.
    """

    too_fast: float = 0.0

    def unfit(self, at: Reading = NOW) -> str:
        """Return SQL for why a judgment j on a pair may not count, whatever the pair is for; null if it may."""
        return f"""
            case
              when j.annotator_id in {at.quarantined} then 'quarantined'
              when j.pair_id in (select pair_id from {at.flagged}) then 'flagged'
              when j.follows_id in (select id from {at.flagged}) then 'flagged'
              {self._when_too_fast()}
            end
        """

    def barred(self, at: Reading = NOW) -> str:
        """Return SQL for why a judgment j on a pair may not train; null if it may."""
        return f"case when pair.purpose <> 'train' then pair.purpose else {self.unfit(at)} end"

    def _when_too_fast(self) -> str:
        if not self.too_fast:
            return ""
        return f"""
              when iif(j.follows_id is null, {self._too_fast("j", "pair")}, exists (
                select 1 from judgment led join pair pair_of_led on pair_of_led.id = led.pair_id
                where led.id = j.follows_id and {self._too_fast("led", "pair_of_led")})) then 'too_fast'
        """

    def _too_fast(self, judgment: str, pair: str) -> str:
        a_ms = self.too_fast * READING_SPEED / 1000
        return f"{pair}.length_a + {pair}.length_b > {a_ms!r} * {read_ms(judgment)}"
