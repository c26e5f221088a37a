"""What a pass keeps, against a Llama's tensors counted by hand, and against the memory that a process then holds."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.forward.activation_count import Activations, count_activations
from trainer.forward.logprobs import Packed, Plain
from trainer.model.base import Base
from trainer.model.policy import Policy

RANK = 4
HIDDEN, WIDTH, HEADS, KEYS, LAYERS, VOCABULARY = 96, 160, 6, 2, 12, 64
MIB = 2**20


def llama(base: Base) -> Policy:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEYS,
        vocab_size=VOCABULARY,
    )
    model = LlamaForCausalLM(config).train(False).requires_grad_(False)
    other = replace(base, model=model)
    return Policy.from_base(other, rank=RANK, alpha=RANK, seed=0)


def by_hand() -> float:
    """Floats a layer and a packed token, where a fourth is the prompt.

    Of the hidden size: input, after both norms, query, what attention gives, the same for the output product, between
    attention and MLP. Keys and values as they come, and once more for each answer with its prompt. Gate, its SiLU, up,
    their product. A rank for each of seven products. Attention's sum a head; a number for each norm.
    """
    keys = KEYS * HIDDEN // HEADS
    return 7 * HIDDEN + 2 * keys * (1 + 1.25) + 4 * WIDTH + 7 * RANK + HEADS + 2


def test_a_llama_keeps_what_its_shapes_say(base: Base) -> None:
    counted = count_activations(llama(base), Packed())
    head = 0.75 * HIDDEN  # the way back from the logits of every answer token
    expected = 4 * (LAYERS * by_hand() + head)
    assert counted.linear == pytest.approx(expected, rel=0.02)
    assert counted.square < 2  # the mask of an answer, which all layers share
    assert (counted.layers, counted.inputs) == (LAYERS, 4 * LAYERS * HIDDEN)


def test_the_plain_way_keeps_the_prompt_twice_and_every_logit(base: Base) -> None:
    packed, plain = (count_activations(llama(base), forward) for forward in (Packed(), Plain()))
    assert 1.05 < plain.kept(200) / packed.kept(200) < 1.6


def test_half_precision_keeps_half_of_all_but_the_norms(base: Base) -> None:
    policy = llama(base)
    single = count_activations(policy, Packed())
    torch.nn.Module.to(policy.model, torch.bfloat16)
    half = count_activations(policy, Packed())
    assert 0.5 < half.kept(100) / single.kept(100) < 0.62


def test_nothing_is_left_in_the_model(base: Base) -> None:
    policy = llama(base)
    count_activations(policy, Packed())
    assert all(parameter.grad is None for parameter in policy.lora.parameters.values())
    assert not any("forward" in vars(module) for module in policy.model.modules())


def test_layers_that_are_computed_again_keep_their_inputs_and_one_at_a_time_takes_twice_the_rest() -> None:
    found = Activations(linear=1000.0, square=1.0, inputs=50.0, layers=10, passing=7)
    assert found.kept(100) == 110_000
    assert found.kept(100, again=True) == 5_000 + 2 * 11_000
    assert found.of([100, 100]) == 220_007
    assert found.tokens(220_007, 100) == 200
    assert not Activations(1.0, 0.0, 0.0, 0, 0).layered


CHILD = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from transformers import LlamaConfig, LlamaForCausalLM
from trainer.forward.activation_count import count_activations
from trainer.model.base import Base
from trainer.forward.logprobs import Packed
from trainer.forward.packing import Group
from trainer.model.policy import Policy

def held(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

again = sys.argv[1] == "again"
config = LlamaConfig(hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4,
    num_key_value_heads=2, vocab_size=512, max_position_embeddings=8192)
model = LlamaForCausalLM(config).train(False).requires_grad_(False)
base = Base(name="", revision="", model=model,
    tokenizer=None, eos_ids=frozenset(), context=8192, plain_template=False, prompts=None, former=None)
policy = Policy.from_base(base, rank=8, alpha=8, seed=0)
counted = count_activations(policy, Packed())
policy.recompute_above = 0 if again else None
ids = tuple(5 + i % 300 for i in range(1000))
group = Group(ids[:500], (ids[:750], ids[250:]))
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
with policy.acting():
    loss = Packed().token_logps(model, [group, group]).sum()
loss.backward()
print(counted.of([group.tokens] * 2, again=again), held("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own peak is read")
@pytest.mark.parametrize("how", ["once", "again"])
def test_a_process_then_holds_as_much(how: str) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", CHILD, how], capture_output=True, text=True, check=True, cwd=root)
    estimate, measured = map(int, done.stdout.split())
    assert measured > 80 * MIB
    assert estimate == pytest.approx(measured, rel=0.25)
