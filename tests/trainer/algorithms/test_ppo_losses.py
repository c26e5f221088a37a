"""PPO's arithmetic against closed forms, finite differences, and every row alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.algorithms.ppo_losses import (
    adapt_kl_coef,
    generalised_advantages,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)

CLIP = 0.2
LENGTHS = [3, 1, 5, 2]


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def everywhere(x: Tensor) -> Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def ragged(*, right: bool = False, junk: float = math.nan, columns: int = 4) -> tuple[list[Tensor], Tensor]:
    """Random columns [B, K] of LENGTHS valid tokens, at the left or at the right among junk, and their mask."""
    source = torch.Generator().manual_seed(3)
    width = max(LENGTHS) + 1
    mask = torch.arange(width) < torch.tensor(LENGTHS)[:, None]
    mask = mask.flip(1) if right else mask
    filled = [torch.full(mask.shape, junk, dtype=torch.float64) for _ in range(columns)]
    for column in filled:
        column[mask] = torch.randn(int(mask.sum()), generator=source, dtype=torch.float64)
    return filled, mask


either_side = pytest.mark.parametrize("right", [False, True], ids=["left", "right"])


class TestTokenRewards:
    def test_values_computed_by_hand(self) -> None:
        mask = torch.tensor([[True, True, False], [False, True, True]])
        policy = torch.tensor([[-1.0, -2.0, -9.0], [-9.0, -3.0, -1.0]])
        reference = torch.tensor([[-2.0, -1.5, -1.0], [-1.0, -1.0, -1.0]])
        found = token_rewards(torch.tensor([10.0, 20.0]), policy, reference, mask, kl_coef=0.5)
        assert found.tolist() == [[-0.5, 10.25, 0.0], [0.0, 1.0, 20.0]]

    @either_side
    def test_a_row_adds_up_to_its_score_less_the_penalty(self, right: bool) -> None:
        (policy, reference), mask = ragged(right=right, columns=2)
        scores = torch.tensor([1.0, 2, 3, 4], dtype=torch.float64)
        ratios = torch.where(mask, policy - reference, 0.0).sum(1)
        found = token_rewards(scores, policy, reference, mask, kl_coef=0.1)
        torch.testing.assert_close(found.sum(1), scores - 0.1 * ratios)

    @either_side
    def test_without_a_penalty_only_the_last_token_is_rewarded(self, right: bool) -> None:
        (policy, reference), mask = ragged(right=right, columns=2)
        found = token_rewards(torch.ones(4, dtype=torch.float64), policy, reference, mask, kl_coef=0.0)
        last = [5] * 4 if right else [length - 1 for length in LENGTHS]
        assert found.nonzero().tolist() == [[i, at] for i, at in enumerate(last)]

    def test_a_row_without_tokens_gets_nothing(self) -> None:
        found = token_rewards(torch.ones(1), row(-1, -1), row(-1, -2), torch.tensor([[False, False]]), kl_coef=1.0)
        assert found.tolist() == [[0.0, 0.0]]


class TestGeneralisedAdvantages:
    def test_three_tokens_worked_by_hand(self) -> None:
        # d = (1 + 0.5 * 4 - 2, 0 + 0.5 * 6 - 4, 8 - 6) = (1, -1, 2)
        # A_3 = 2, A_2 = -1 + 0.25 * 2 = -0.5, A_1 = 1 + 0.25 * -0.5 = 0.875
        rewards, values = row(1, 0, 8), row(2, 4, 6)
        advantages, returns = generalised_advantages(rewards, values, everywhere(rewards), gamma=0.5, lam=0.5)
        assert advantages.tolist() == [[0.875, -0.5, 2.0]]
        assert returns.tolist() == [[2.875, 3.5, 8.0]]

    @either_side
    def test_undiscounted_it_is_the_reward_to_go_less_the_value(self, right: bool) -> None:
        (rewards, values), mask = ragged(right=right, junk=0.0, columns=2)
        advantages, returns = generalised_advantages(rewards, values, mask, gamma=1.0, lam=1.0)
        to_go = rewards.flip(1).cumsum(1).flip(1) * mask
        torch.testing.assert_close(returns, to_go)
        torch.testing.assert_close(advantages, to_go - values)

    def test_without_lambda_it_is_the_error_of_one_step(self) -> None:
        rewards, values = row(1, 2, 3), row(5, 7, 11)
        advantages, _ = generalised_advantages(rewards, values, everywhere(rewards), gamma=0.9, lam=0.0)
        assert advantages[0].tolist() == pytest.approx([1 + 0.9 * 7 - 5, 2 + 0.9 * 11 - 7, 3 - 11])

    @given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6), st.integers(0, 1000))
    def test_it_is_the_discounted_sum_of_the_errors(self, gamma: float, lam: float, length: int, seed: int) -> None:
        rewards, values = torch.randn(2, 1, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        later = torch.cat([values[0, 1:], values.new_zeros(1)])
        errors = rewards[0] + gamma * later - values[0]
        expected = [sum((gamma * lam) ** (t - at) * errors[t] for t in range(at, length)) for at in range(length)]
        found, _ = generalised_advantages(rewards, values, everywhere(rewards), gamma=gamma, lam=lam)
        torch.testing.assert_close(found[0], torch.stack([torch.as_tensor(x) for x in expected]))

    def test_values_that_foresee_everything_leave_no_advantage(self) -> None:
        rewards = row(1, 2, 3)
        advantages, returns = generalised_advantages(rewards, row(6, 5, 3), everywhere(rewards), gamma=1.0, lam=0.7)
        assert advantages.tolist() == [[0.0, 0.0, 0.0]]
        assert returns.tolist() == [[6.0, 5.0, 3.0]]

    @either_side
    def test_rows_of_any_length_equal_each_row_alone(self, right: bool) -> None:
        (rewards, values), mask = ragged(right=right, columns=2)
        together = generalised_advantages(rewards, values, mask, gamma=0.9, lam=0.8)
        for i in range(len(LENGTHS)):
            reward, value = (x[i][mask[i]][None] for x in (rewards, values))
            alone = generalised_advantages(reward, value, everywhere(reward), gamma=0.9, lam=0.8)
            for found, expected in zip(together, alone, strict=True):
                assert torch.equal(found[i][mask[i]], expected[0])
                assert (found[i][~mask[i]] == 0).all()


class TestWhiten:
    def test_valid_tokens_get_mean_0_and_deviation_1(self) -> None:
        (x,), mask = ragged(columns=1)
        white = whiten(5 + 3 * x, mask)
        assert white[mask].mean().item() == pytest.approx(0, abs=1e-12)
        assert white[mask].std(unbiased=False).item() == pytest.approx(1, abs=1e-6)
        assert (white[~mask] == 0).all()

    @given(st.floats(0.1, 100), st.floats(-100, 100))
    def test_scale_and_shift_do_not_count(self, scale: float, shift: float) -> None:
        (x,), mask = ragged(columns=1)
        torch.testing.assert_close(whiten(scale * x + shift, mask), whiten(x, mask), rtol=1e-5, atol=1e-5)

    def test_equal_numbers_are_no_more_than_rounding(self) -> None:
        same = torch.full((3, 7), 0.1)
        assert whiten(same, everywhere(same)).abs().max().item() < 1e-3


class TestPolicyLoss:
    def test_before_the_first_step_it_is_minus_the_advantage(self) -> None:
        (logps, advantages), mask = ragged(columns=2)
        terms = policy_loss(logps, logps, advantages, mask, clip=CLIP)
        assert torch.equal(terms.loss[mask], -advantages[mask])
        assert not terms.clipped.any()
        assert (terms.moved == 0).all()

    def test_before_the_first_step_the_gradient_is_that_of_the_policy_gradient(self) -> None:
        logps = row(-1, -2).requires_grad_()
        policy_loss(logps, logps.detach(), row(3, -4), everywhere(logps), clip=CLIP).loss.sum().backward()
        assert logps.grad is not None and logps.grad.tolist() == [[-3.0, 4.0]]

    @pytest.mark.parametrize(
        ("ratio", "advantage", "loss", "gradient", "clipped"),
        [
            (1.1, 2.0, -2.2, -2.2, False),
            (1.5, 2.0, -2.4, 0.0, True),
            (0.5, 2.0, -1.0, -1.0, False),
            (1.1, -2.0, 2.2, 2.2, False),
            (1.5, -2.0, 3.0, 3.0, False),
            (0.5, -2.0, 1.6, 0.0, True),
        ],
    )
    def test_the_clip_stops_only_what_has_gained_enough(
        self, ratio: float, advantage: float, loss: float, gradient: float, clipped: bool
    ) -> None:
        logps = row(math.log(ratio)).requires_grad_()
        terms = policy_loss(logps, row(0), row(advantage), everywhere(logps), clip=CLIP)
        terms.loss.sum().backward()
        assert terms.loss.item() == pytest.approx(loss)
        assert logps.grad is not None and logps.grad.item() == pytest.approx(gradient)
        assert terms.clipped.item() is clipped

    @settings(deadline=None, max_examples=25)  # the first gradcheck of a process loads much
    @given(
        st.floats(-1, 1).filter(lambda x: min(abs(math.exp(x) - 1 - c) for c in (CLIP, -CLIP)) > 1e-3), st.floats(-3, 3)
    )
    def test_the_gradient_is_that_of_finite_differences(self, log_ratio: float, advantage: float) -> None:
        def loss(logps: Tensor) -> Tensor:
            return policy_loss(logps, row(0), row(advantage), everywhere(logps), clip=CLIP).loss

        assert torch.autograd.gradcheck(loss, (row(log_ratio).requires_grad_(),))

    @given(st.floats(-1, 1))
    def test_moved_is_r_less_one_less_log_r(self, log_ratio: float) -> None:
        moved = policy_loss(row(log_ratio), row(0), row(1), everywhere(row(1)), clip=CLIP).moved.item()
        assert moved == pytest.approx(math.exp(log_ratio) - 1 - log_ratio, abs=1e-15)

    def test_the_mean_of_moved_is_the_divergence_of_new_from_old(self) -> None:
        old, new = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
        moved = policy_loss(new.log()[None], old.log()[None], row(0, 0, 0), everywhere(row(0, 0, 0)), clip=CLIP).moved
        assert (old * moved[0]).sum().item() == pytest.approx((old * (old / new).log()).sum().item())

    def test_a_small_step_is_measured_in_single_precision_too(self) -> None:
        step = torch.full((1, 1), 1e-4)
        moved = policy_loss(step, step * 0, step, everywhere(step), clip=CLIP).moved.item()
        assert moved == pytest.approx(0.5e-8, rel=1e-2)

    def test_moved_has_no_gradient(self) -> None:
        logps = row(-1).requires_grad_()
        assert not policy_loss(logps, row(-2), row(1), everywhere(logps), clip=CLIP).moved.requires_grad


class TestValueLoss:
    @pytest.mark.parametrize(
        ("value", "target", "loss", "gradient"),
        [
            (1.1, 2.0, 0.5 * 0.9**2, -0.9),  # within the clip
            (1.5, 2.0, 0.5 * 0.8**2, 0.0),  # ran ahead towards the target: held at 1.2
            (2.5, 2.0, 0.5 * 0.8**2, 0.0),  # past it, still nearer than where it is held
            (3.5, 2.0, 0.5 * 1.5**2, 1.5),  # past it by more
            (0.5, 2.0, 0.5 * 1.5**2, -1.5),  # went the wrong way: pulled back in full
        ],
    )
    def test_values_computed_by_hand(self, value: float, target: float, loss: float, gradient: float) -> None:
        values = row(value).requires_grad_()
        found = value_loss(values, row(1), row(target), everywhere(values), clip=CLIP)
        found.sum().backward()
        assert found.item() == pytest.approx(loss)
        assert values.grad is not None and values.grad.item() == pytest.approx(gradient)

    def test_a_clip_that_never_acts_leaves_half_the_square(self) -> None:
        (values, old, returns), mask = ragged(columns=3)
        found = value_loss(values, old, returns, mask, clip=1e6)
        torch.testing.assert_close(found[mask], 0.5 * (values - returns)[mask] ** 2)


class TestPartsOfABatch:
    """What a batch in parts adds up to must not depend on the parts, or on how rows stand in them."""

    def sums(self, columns: list[Tensor], mask: Tensor) -> Tensor:
        logps, old, advantages, returns = columns
        policy = policy_loss(logps, old, advantages, mask, clip=CLIP)
        value = value_loss(logps, old, returns, mask, clip=CLIP)
        return torch.stack([x.sum() for x in (policy.loss, policy.clipped, policy.moved, value)])

    @pytest.mark.parametrize("cuts", [[1, 3], [2, 2], [1, 1, 1, 1]])
    def test_parts_add_up_to_the_whole(self, cuts: list[int]) -> None:
        columns, mask = ragged()
        parts = zip(*(x.split(cuts) for x in (*columns, mask)), strict=True)
        found = sum(self.sums(list(part[:-1]), part[-1]) for part in parts)
        torch.testing.assert_close(found, self.sums(columns, mask))

    def test_left_right_and_flat_are_the_same(self) -> None:
        columns, mask = ragged()
        at_left = self.sums(columns, mask)
        torch.testing.assert_close(self.sums(*ragged(right=True)), at_left)
        flat = [x[mask][None] for x in columns]
        torch.testing.assert_close(self.sums(flat, everywhere(flat[0])), at_left)

    @pytest.mark.parametrize("junk", [0.0, 1e30, math.inf, math.nan])
    def test_what_is_masked_touches_neither_loss_nor_gradient(self, junk: float) -> None:
        columns, mask = ragged(junk=junk)
        logps = columns[0].requires_grad_()
        policy = policy_loss(logps, columns[1], columns[2], mask, clip=CLIP)
        value = value_loss(logps, columns[1], columns[3], mask, clip=CLIP)
        (policy.loss + value).sum().backward()
        for column in (policy.loss, policy.clipped, policy.moved, value, logps.grad):
            assert column is not None and (column[~mask] == 0).all() and column.isfinite().all()


class TestAdaptKL:
    @pytest.mark.parametrize(
        ("kl", "factor"),
        [(6.0, 1.0), (6.6, 1.01), (5.4, 0.99), (60.0, 1.02), (0.0, 0.98), (-1.0, 0.98)],
    )
    def test_the_penalty_follows_the_relative_error_up_to_a_fifth(self, kl: float, factor: float) -> None:
        assert adapt_kl_coef(0.2, kl, target=6.0, horizon=1000, steps=100) == pytest.approx(0.2 * factor)

    def test_it_brings_a_policy_that_gives_way_to_the_target(self) -> None:
        coef = 0.01
        for _ in range(500):
            coef = adapt_kl_coef(coef, 1 / coef, target=6.0, horizon=1000, steps=100)
        assert 1 / coef == pytest.approx(6.0, rel=1e-3)
