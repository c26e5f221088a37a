import pytest

from data.errors import InputError, NotFoundError
from data.records import Choice, Split
from tests.data.scene import Scene


def test_a_prompt_of_ones_own_is_kept_once_with_who_wrote_it(scene: Scene) -> None:
    person = scene.annotator()
    prompt = scene.store.prompts.write("How do I whistle?", person.id)
    assert prompt.author_id == person.id
    assert prompt.messages == ({"role": "user", "content": "How do I whistle?"},)
    assert scene.store.prompts.write("How do I whistle?", scene.annotator().id) == prompt
    assert scene.store.prompts.by_sha256(prompt.sha256) == prompt


def test_an_empty_prompt_is_refused(scene: Scene) -> None:
    with pytest.raises(InputError):
        scene.store.prompts.write("  ", scene.annotator().id)
    with pytest.raises(NotFoundError):
        scene.store.prompts.by_sha256("0" * 64)


@pytest.mark.parametrize("split", list(Split))
def test_a_conversation_goes_on_in_the_split_it_began_in(scene: Scene, split: Split) -> None:
    pair = scene.pair(split=split)
    for number in range(12):  # by their own hashes, some would fall into the other
        longer = scene.store.prompts.continue_with(pair.id, "an answer", f"and then {number}?", scene.annotator().id)
        assert longer.split is split
        assert longer.messages[:-2] == pair.prompt.messages
        assert [turn["role"] for turn in longer.messages] == ["user", "assistant", "user"]
        assert longer.turns == 2


def test_a_retired_prompt_is_sampled_and_offered_no_more(scene: Scene) -> None:
    pair = scene.pair()
    judged = scene.pair()
    scene.judge(scene.annotator(), Choice.A, judged)
    for prompt in (pair.prompt, judged.prompt):
        scene.store.prompts.retire(prompt.id)
    exclude: set[int] = set()
    while (offered := scene.store.prompts.next(exclude)) is not None:
        assert offered not in (pair.prompt, judged.prompt)
        exclude.add(offered.id)
    assert scene.store.pairs.ready() == 0
    assert len(scene.store.rounds.preview().train) == 1
