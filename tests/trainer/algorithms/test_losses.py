"""The losses of pairs and ratings against their closed forms, their own derivatives and what must not change them."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.algorithms.losses import (
    PairLogps,
    PreferenceTerms,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    kto_baseline,
    kto_loss,
    reward_loss,
    robust_dpo_loss,
    sft_loss,
    simpo_loss,
    strength_margins,
)

LN_2 = math.log(2)
BETA = 0.1
nats = st.floats(-200, 0)
margins = st.floats(0, 3)
flip_rates = st.floats(0, 0.45)

# the first gradcheck of a process loads much, and a shared machine is not even in time
of_derivatives = settings(deadline=None, max_examples=25)

PairLoss = Callable[..., PreferenceTerms]
FAMILY: dict[str, PairLoss] = {
    "dpo": partial(dpo_loss, beta=BETA),
    "cdpo": partial(cdpo_loss, beta=BETA, label_smoothing=0.2),
    "robust": partial(robust_dpo_loss, beta=BETA, label_smoothing=0.2),
    "ipo": partial(ipo_loss, beta=BETA),
    "hinge": partial(hinge_loss, beta=BETA),
    "simpo": partial(simpo_loss, beta=BETA, gamma=0.5),
}
every_loss = pytest.mark.parametrize("loss", FAMILY.values(), ids=FAMILY.keys())


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def pair(
    chosen: float,
    rejected: float,
    reference_chosen: float = 0.0,
    reference_rejected: float = 0.0,
    *,
    lengths: tuple[int, int] = (1, 1),
) -> PairLogps:
    """One pair."""
    return PairLogps(*map(tensor, (chosen, rejected, reference_chosen, reference_rejected, *lengths)))


def won_by(margin: float, *, beta: float = 1.0) -> PairLogps:
    """One pair in which the chosen completion has so much more reward."""
    return pair(margin / beta, 0.0)


def some_pairs(count: int) -> PairLogps:
    source = torch.Generator().manual_seed(7)
    logps = -torch.rand(4, count, generator=source, dtype=torch.float64) * 60
    lengths = torch.randint(1, 40, (2, count), generator=source)
    return PairLogps(*logps, *lengths)


def other_way(logps: PairLogps) -> PairLogps:
    return PairLogps(
        logps.policy_rejected,
        logps.policy_chosen,
        logps.reference_rejected,
        logps.reference_chosen,
        logps.rejected_lengths,
        logps.chosen_lengths,
    )


def slope(loss: PairLoss, at: PairLogps) -> float:
    """How the loss moves with the log-probability of the chosen completion."""
    chosen = at.policy_chosen.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(replace(at, policy_chosen=chosen)).loss.sum(), chosen)
    return grad.item()


class TestEveryLossOfPairs:
    @every_loss
    @of_derivatives
    @given(nats, nats, nats, nats, margins)
    def test_the_gradient_is_that_of_finite_differences(
        self, loss: PairLoss, a: float, b: float, c: float, d: float, margin: float
    ) -> None:
        logps = pair(a, b, c, d, lengths=(3, 5))
        assume(abs(1 - loss(logps).margins.item() + margin) > 1e-3)  # not on the hinge

        def of_policy(chosen: Tensor, rejected: Tensor) -> Tensor:
            return loss(replace(logps, policy_chosen=chosen, policy_rejected=rejected), margin=margin).loss

        assert torch.autograd.gradcheck(of_policy, (tensor(a).requires_grad_(), tensor(b).requires_grad_()))

    @every_loss
    def test_a_pair_counts_for_itself_alone(self, loss: PairLoss) -> None:
        logps, margin = some_pairs(5), tensor(0, 0.5, 1, 1.5, 2)
        together = loss(logps, margin=margin)
        for i in range(5):
            alone = loss(
                PairLogps(*(getattr(logps, field.name)[i : i + 1] for field in fields(logps))), margin=margin[i]
            )
            for column in ("loss", "chosen_rewards", "rejected_rewards", "margins"):
                assert torch.equal(getattr(alone, column), getattr(together, column)[i : i + 1])

    @every_loss
    def test_single_precision_stays_single_and_close(self, loss: PairLoss) -> None:
        exact = some_pairs(50)
        rounded = PairLogps(*(getattr(exact, field.name).float() for field in fields(exact)))
        found = loss(rounded, margin=0.5).loss
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), loss(exact, margin=0.5).loss, rtol=1e-4, atol=1e-4)

    @every_loss
    def test_without_a_margin_nothing_more_is_asked(self, loss: PairLoss) -> None:
        logps = some_pairs(5)
        assert torch.equal(loss(logps).loss, loss(logps, margin=tensor(0, 0, 0, 0, 0)).loss)

    @pytest.mark.parametrize("name", ["dpo", "ipo", "hinge", "simpo"])
    @given(a=nats, b=nats, margin=margins)
    def test_a_margin_is_like_so_much_less_reward(self, name: str, a: float, b: float, margin: float) -> None:
        asked = FAMILY[name](pair(a, b), margin=margin).loss.item()
        less = FAMILY[name](pair(a - margin / BETA, b)).loss.item()
        assert asked == pytest.approx(less, rel=1e-9, abs=1e-9)

    @pytest.mark.parametrize("name", ["dpo", "cdpo", "robust", "ipo", "hinge"])
    @given(a=nats, b=nats, shift_chosen=nats, shift_rejected=nats)
    def test_only_the_ratio_to_the_reference_counts(
        self, name: str, a: float, b: float, shift_chosen: float, shift_rejected: float
    ) -> None:
        here = FAMILY[name](pair(a, b)).loss.item()
        there = FAMILY[name](pair(a + shift_chosen, b + shift_rejected, shift_chosen, shift_rejected)).loss.item()
        assert there == pytest.approx(here, rel=1e-9, abs=1e-9)

    @pytest.mark.parametrize("name", ["dpo", "robust", "hinge", "simpo"])
    @given(a=nats, b=nats)
    def test_it_never_rises_with_the_chosen_completion(self, name: str, a: float, b: float) -> None:
        assert slope(FAMILY[name], pair(a, b)) <= 0


class TestDPO:
    def test_a_policy_equal_to_its_reference_costs_exactly_ln_2(self) -> None:
        logps = tensor(-3.25, -120.5)
        terms = dpo_loss(PairLogps(logps, logps - 1, logps, logps - 1, logps, logps), beta=0.1)
        assert terms.loss.tolist() == [LN_2] * 2
        assert terms.margins.tolist() == [0.0, 0.0]

    def test_a_value_computed_by_hand(self) -> None:
        # rewards 0.5 * (-10 + 12) = 1 and 0.5 * (-9 + 8) = -0.5; loss ln(1 + exp(-1.5))
        terms = dpo_loss(pair(-10, -9, -12, -8), beta=0.5)
        assert terms.chosen_rewards.item() == pytest.approx(1.0)
        assert terms.rejected_rewards.item() == pytest.approx(-0.5)
        assert terms.margins.item() == pytest.approx(1.5)
        assert terms.loss.item() == pytest.approx(math.log1p(math.exp(-1.5)), abs=1e-12)

    def test_winning_by_just_the_margin_costs_ln_2(self) -> None:
        assert dpo_loss(won_by(1.5), beta=1.0, margin=1.5).loss.item() == pytest.approx(LN_2, abs=1e-12)

    @given(nats, nats, nats, nats)
    def test_exchanging_the_sides_mirrors_the_margin(self, a: float, b: float, c: float, d: float) -> None:
        here, there = dpo_loss(pair(a, b, c, d), beta=0.1), dpo_loss(pair(b, a, d, c), beta=0.1)
        assert here.margins.item() == -there.margins.item()
        # log s(m) + log s(-m) ties both losses to one margin
        assert (here.loss - there.loss).item() == pytest.approx(-here.margins.item(), abs=1e-9)

    def test_a_hopeless_pair_costs_its_margin_and_not_infinity(self) -> None:
        hopeless = pair(-1e6, 0)
        assert dpo_loss(hopeless, beta=1.0).loss.item() == 1e6
        assert slope(partial(dpo_loss, beta=1.0), hopeless) == -1.0


class TestConservativeDPO:
    def test_a_value_computed_by_hand(self) -> None:
        # 0.9 ln(1 + exp(-1.5)) + 0.1 ln(1 + exp(1.5))
        expected = 0.9 * math.log1p(math.exp(-1.5)) + 0.1 * math.log1p(math.exp(1.5))
        assert cdpo_loss(won_by(1.5), beta=1.0, label_smoothing=0.1).loss.item() == pytest.approx(expected, abs=1e-12)

    def test_it_is_least_where_the_policy_is_as_sure_as_the_labels(self) -> None:
        certainty = math.log(0.8 / 0.2)
        assert slope(partial(cdpo_loss, beta=1.0, label_smoothing=0.2), won_by(certainty)) == pytest.approx(
            0, abs=1e-12
        )

    @given(nats, nats, flip_rates, margins)
    def test_it_is_what_dpo_costs_on_average_over_the_flips(self, a: float, b: float, e: float, margin: float) -> None:
        right, wrong = pair(a, b), pair(b, a)
        average = (1 - e) * dpo_loss(right, beta=BETA, margin=margin).loss + e * dpo_loss(
            wrong, beta=BETA, margin=margin
        ).loss
        found = cdpo_loss(right, beta=BETA, label_smoothing=e, margin=margin).loss
        assert found.item() == pytest.approx(average.item(), rel=1e-9)

    def test_labels_that_say_nothing_give_both_sides_the_same_loss(self) -> None:
        loss = partial(cdpo_loss, beta=BETA, label_smoothing=0.5, margin=0.7)
        torch.testing.assert_close(loss(some_pairs(9)).loss, loss(other_way(some_pairs(9))).loss)


class TestRobustDPO:
    def test_a_value_computed_by_hand(self) -> None:
        # (0.9 ln(1 + exp(-1.5)) - 0.1 ln(1 + exp(1.5))) / 0.8
        expected = (0.9 * math.log1p(math.exp(-1.5)) - 0.1 * math.log1p(math.exp(1.5))) / 0.8
        found = robust_dpo_loss(won_by(1.5), beta=1.0, label_smoothing=0.1).loss.item()
        assert found == pytest.approx(expected, abs=1e-12)

    @given(nats, nats, flip_rates, margins)
    def test_on_average_over_the_flips_it_is_dpo_on_right_labels(
        self, a: float, b: float, e: float, margin: float
    ) -> None:
        loss = partial(robust_dpo_loss, beta=BETA, label_smoothing=e, margin=margin)
        average = (1 - e) * loss(pair(a, b)).loss + e * loss(pair(b, a)).loss
        clean = dpo_loss(pair(a, b), beta=BETA, margin=margin).loss
        assert average.item() == pytest.approx(clean.item(), rel=1e-9, abs=1e-9)

    def test_a_pair_won_by_far_still_pulls(self) -> None:
        loss = partial(robust_dpo_loss, beta=1.0, label_smoothing=0.1)
        assert slope(loss, won_by(1e4)) == pytest.approx(-0.1 / 0.8, abs=1e-12)
        assert loss(won_by(1e4)).loss.item() < 0


@pytest.mark.parametrize("loss", [cdpo_loss, robust_dpo_loss])
def test_labels_that_are_never_wrong_give_dpo(loss: PairLoss) -> None:
    found = loss(some_pairs(9), beta=BETA, label_smoothing=0.0, margin=0.3)
    assert torch.equal(found.loss, dpo_loss(some_pairs(9), beta=BETA, margin=0.3).loss)


class TestIPO:
    def test_a_value_computed_by_hand(self) -> None:
        # per token (-4 + 8) / 2 = 2 and (-9 + 6) / 3 = -1, h = 3; beta 0.5: (3 - 1)^2
        terms = ipo_loss(pair(-4, -9, -8, -6, lengths=(2, 3)), beta=0.5)
        assert terms.loss.item() == pytest.approx(4.0)
        assert (terms.chosen_rewards.item(), terms.rejected_rewards.item()) == pytest.approx((1.0, -0.5))

    @given(st.floats(0.01, 2))
    def test_it_wants_a_distance_of_one_by_two_beta_and_no_more(self, beta: float) -> None:
        assert ipo_loss(pair(1 / (2 * beta), 0), beta=beta).loss.item() == pytest.approx(0, abs=1e-12)
        assert slope(partial(ipo_loss, beta=beta), pair(1 / beta, 0)) > 0

    def test_an_answer_twice_as_long_with_twice_the_ratio_costs_the_same(self) -> None:
        short, long = pair(-4, -9, -8, -6, lengths=(2, 3)), pair(-8, -9, -16, -6, lengths=(4, 3))
        assert ipo_loss(short, beta=0.1).loss.item() == pytest.approx(ipo_loss(long, beta=0.1).loss.item())


class TestHinge:
    @pytest.mark.parametrize(("by", "expected"), [(-2.0, 3.0), (0.0, 1.0), (0.75, 0.25), (1.0, 0.0), (5.0, 0.0)])
    def test_it_is_what_is_missing_to_a_win_by_one(self, by: float, expected: float) -> None:
        assert hinge_loss(won_by(by, beta=0.5), beta=0.5).loss.item() == pytest.approx(expected, abs=1e-12)

    def test_a_pair_that_is_won_pulls_no_more(self) -> None:
        loss = partial(hinge_loss, beta=0.5)
        assert (slope(loss, won_by(1.01, beta=0.5)), slope(loss, won_by(0.99, beta=0.5))) == (0.0, -0.5)


class TestSimPO:
    def test_a_value_computed_by_hand(self) -> None:
        # rewards 2 * -6 / 3 = -4 and 2 * -10 / 4 = -5; loss ln(1 + exp(-(1 - 0.4)))
        terms = simpo_loss(pair(-6, -10, lengths=(3, 4)), beta=2.0, gamma=0.4)
        assert (terms.chosen_rewards.item(), terms.rejected_rewards.item()) == (-4.0, -5.0)
        assert terms.loss.item() == pytest.approx(math.log1p(math.exp(-0.6)), abs=1e-12)

    def test_the_reference_is_not_asked(self) -> None:
        terms = simpo_loss(pair(-6, -10, math.nan, math.nan), beta=2.0, gamma=0.4)
        assert terms.loss.isfinite().all()

    def test_winning_by_just_gamma_costs_ln_2(self) -> None:
        assert simpo_loss(won_by(0.4), beta=1.0, gamma=0.4).loss.item() == pytest.approx(LN_2, abs=1e-12)


def test_the_sft_loss_is_the_mean_surprise_of_a_token() -> None:
    assert sft_loss(tensor(-6, -5), torch.tensor([3, 2])).tolist() == [2.0, 2.5]


def test_margins_grow_from_the_weakest_strength() -> None:
    assert strength_margins(tensor(1, 2, 3), 0.25).tolist() == [0.0, 0.25, 0.5]


class TestKTO:
    GOOD, BAD = torch.tensor([True]), torch.tensor([False])

    def test_a_policy_equal_to_its_reference_costs_half_the_weight(self) -> None:
        logps, desirable = tensor(-5, -9), torch.tensor([True, False])
        terms = kto_loss(logps, logps, desirable, tensor(0)[0], beta=0.1, desirable_weight=1.5, undesirable_weight=0.5)
        assert terms.loss.tolist() == [0.75, 0.25]
        assert terms.rewards.tolist() == [0.0, 0.0]

    def test_values_computed_by_hand(self) -> None:
        # log-ratios 3 and 3, z0 = 1, beta 0.5: sigmoid of +1 and of -1
        ratios = tensor(3, 3)
        terms = kto_loss(ratios, ratios * 0, torch.tensor([True, False]), tensor(1)[0], beta=0.5)
        sure = 1 / (1 + math.exp(-1))
        assert terms.loss.tolist() == pytest.approx([1 - sure, sure])
        assert terms.rewards.tolist() == [1.5, 1.5]

    @given(nats, nats, st.floats(0, 50))
    def test_what_is_good_gains_as_much_as_the_same_loses_if_bad(self, a: float, b: float, z0: float) -> None:
        good, bad = (
            kto_loss(tensor(a), tensor(b), label, tensor(z0)[0], beta=0.1).loss.item()
            for label in (self.GOOD, self.BAD)
        )
        assert good + bad == pytest.approx(1)

    @of_derivatives
    @given(nats, nats, st.booleans(), st.floats(0, 50))
    def test_the_gradient_is_that_of_finite_differences(self, a: float, b: float, good: bool, z0: float) -> None:
        def loss(policy: Tensor) -> Tensor:
            return kto_loss(
                policy, tensor(b), torch.tensor([good]), tensor(z0)[0], beta=0.1, undesirable_weight=1.3
            ).loss

        assert torch.autograd.gradcheck(loss, (tensor(a).requires_grad_(),))

    def test_a_completion_that_is_good_enough_still_costs_a_little(self) -> None:
        far = torch.tensor([40.0])
        assert 0 < kto_loss(far, far * 0, self.GOOD, torch.tensor(0.0), beta=1.0).loss.item() < 1e-15

    def test_single_precision_stays_single(self) -> None:
        logps = torch.tensor([-1.0])
        assert kto_loss(logps, logps, self.GOOD, tensor(0)[0], beta=0.1).loss.dtype == torch.float32


class TestKTOBaseline:
    def test_it_is_the_mean_log_ratio(self) -> None:
        assert kto_baseline(tensor(-4, -3), tensor(-5, -6)).item() == 2.0

    def test_it_is_never_negative(self) -> None:
        assert kto_baseline(tensor(-5, -6), tensor(-4, -3)).item() == 0.0

    def test_it_has_no_gradient(self) -> None:
        assert not kto_baseline(tensor(-4, -3).requires_grad_(), tensor(-5, -6)).requires_grad


class TestRewardLoss:
    def test_equal_rewards_cost_ln_2(self) -> None:
        assert reward_loss(tensor(3), tensor(3)).item() == LN_2

    def test_a_value_computed_by_hand(self) -> None:
        # won by 1.5, asked for 1: what half a reward costs
        assert reward_loss(tensor(2), tensor(0.5), 1.0).item() == pytest.approx(math.log1p(math.exp(-0.5)), abs=1e-12)

    @of_derivatives
    @given(nats, nats, margins)
    def test_the_gradient_is_that_of_finite_differences(self, a: float, b: float, margin: float) -> None:
        inputs = (tensor(a).requires_grad_(), tensor(b).requires_grad_())
        assert torch.autograd.gradcheck(lambda won, lost: reward_loss(won, lost, margin), inputs)

    @given(nats, nats, nats)
    def test_only_the_difference_counts(self, a: float, b: float, shift: float) -> None:
        here, there = reward_loss(tensor(a), tensor(b)), reward_loss(tensor(a + shift), tensor(b + shift))
        assert there.item() == pytest.approx(here.item(), rel=1e-9, abs=1e-9)
