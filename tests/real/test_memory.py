"""The estimate before a round, against what a process then held, with default settings on real pairs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PAIRS = ROOT.parent / "shared" / "data" / "dpo_en_demo.json"
GB = 10**9


def first_steps(model: Path, pairs: int, **given: object) -> dict[str, float]:
    assert PAIRS.is_file(), f"these tests need real pairs at {PAIRS}"
    command = [sys.executable, "-m", "tests.real.first_steps", str(model), str(PAIRS), str(pairs), "1"]
    done = subprocess.run([*command, json.dumps(given)], capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_the_estimate_for_smollm2_is_what_its_heaviest_batch_takes(smollm2: Path) -> None:
    found = first_steps(smollm2, 297)
    assert found["estimated"] == pytest.approx(found["held"], rel=0.2)
    assert found["held"] < 6 * GB


def test_the_estimate_for_gemma_is_what_a_step_takes(gemma3: Path) -> None:
    found = first_steps(gemma3, 8, batch_size=2)
    assert found["estimated"] == pytest.approx(found["held"], rel=0.2)
