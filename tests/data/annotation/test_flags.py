from data.records import Choice, Flag, Remarks, Verdict
from tests.data.scene import Scene


def test_flags_that_stand_are_listed_newest_first_with_what_they_are_about(scene: Scene) -> None:
    ann, ben = scene.annotator(), scene.annotator()
    pair = scene.pair(target=2)
    for key, person, flag in (("1", ann, Flag.UNSAFE), ("2", ben, Flag.BROKEN_PROMPT)):
        lease = scene.lease(person, pair)
        verdict = Verdict(Choice.SKIP, remarks=Remarks(flag=flag, comment="look"))
        scene.store.judgments.record(person.id, lease.token, verdict, idempotency_key=key)
    newest, oldest = scene.store.flags.newest(5)
    assert (newest.flag, newest.annotator_id, newest.comment) == (Flag.BROKEN_PROMPT, ben.id, "look")
    assert (newest.prompt_id, newest.messages, newest.retired) == (pair.prompt.id, pair.prompt.messages, False)
    assert (oldest.flag, oldest.annotator_id) == (Flag.UNSAFE, ann.id)
    assert scene.store.flags.newest(1) == [newest]
    scene.store.prompts.retire(pair.prompt.id)
    assert all(flagged.retired for flagged in scene.store.flags.newest(5))
    scene.undo(ann)
    assert [flagged.annotator_id for flagged in scene.store.flags.newest(5)] == [ben.id]


def test_a_judgment_without_a_flag_is_not_listed(scene: Scene) -> None:
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    assert scene.store.flags.newest(5) == []
