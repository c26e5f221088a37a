"""The DPO loss against its closed forms and its own derivative."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainer.losses import dpo_loss

nats = st.floats(-200, 0)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_a_policy_equal_to_its_reference_costs_exactly_ln_2() -> None:
    logps = tensor(-3.25, -120.5)
    terms = dpo_loss(logps, logps - 1, logps, logps - 1, beta=0.1)
    assert terms.loss.tolist() == [math.log(2)] * 2
    assert terms.margins.tolist() == [0.0, 0.0]


def test_a_value_computed_by_hand() -> None:
    # rewards 0.5 * (-10 + 12) = 1 and 0.5 * (-9 + 8) = -0.5; loss ln(1 + exp(-1.5))
    terms = dpo_loss(tensor(-10), tensor(-9), tensor(-12), tensor(-8), beta=0.5)
    assert terms.chosen_rewards.item() == pytest.approx(1.0)
    assert terms.rejected_rewards.item() == pytest.approx(-0.5)
    assert terms.margins.item() == pytest.approx(1.5)
    assert terms.loss.item() == pytest.approx(math.log1p(math.exp(-1.5)), abs=1e-12)


@given(nats, nats, nats, nats, st.floats(0.01, 2))
def test_the_gradient_is_that_of_finite_differences(a: float, b: float, c: float, d: float, beta: float) -> None:
    def loss(chosen: Tensor, rejected: Tensor) -> Tensor:
        return dpo_loss(chosen, rejected, tensor(c), tensor(d), beta=beta).loss

    assert torch.autograd.gradcheck(loss, (tensor(a).requires_grad_(), tensor(b).requires_grad_()))


@given(nats, nats, nats, nats)
def test_exchanging_the_sides_mirrors_the_margin(a: float, b: float, c: float, d: float) -> None:
    here = dpo_loss(tensor(a), tensor(b), tensor(c), tensor(d), beta=0.1)
    there = dpo_loss(tensor(b), tensor(a), tensor(d), tensor(c), beta=0.1)
    assert here.margins.item() == -there.margins.item()
    # log s(m) + log s(-m) ties both losses to one margin
    assert (here.loss - there.loss).item() == pytest.approx(-here.margins.item(), abs=1e-9)


def test_a_hopeless_pair_costs_its_margin_and_not_infinity() -> None:
    chosen = tensor(-1e6).requires_grad_()
    terms = dpo_loss(chosen, tensor(0), tensor(0), tensor(0), beta=1.0)
    terms.loss.sum().backward()
    assert terms.loss.item() == 1e6
    assert chosen.grad is not None and chosen.grad.item() == -1.0


def test_it_is_minus_log_sigmoid_of_the_margin_pair_by_pair() -> None:
    torch.manual_seed(0)
    columns = torch.randn(4, 16, dtype=torch.float64) * 30
    terms = dpo_loss(*columns, beta=0.1)
    expected = -F.logsigmoid(0.1 * ((columns[0] - columns[1]) - (columns[2] - columns[3])))
    torch.testing.assert_close(terms.loss, expected, rtol=1e-9, atol=1e-12)
