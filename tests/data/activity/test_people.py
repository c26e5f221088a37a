from data.activity.people import Activity
from data.records import Choice
from tests.data.scene import Scene


def test_everybody_is_listed_with_what_they_did(scene: Scene) -> None:
    ann, idle = scene.annotator(), scene.annotator()
    begun = scene.clock.now
    scene.judge(ann, Choice.A, scene.pair())
    scene.judge(ann, Choice.B, scene.pair())
    scene.undo(ann)
    scene.clock.now += 5
    scene.store.sessions.open(ann.id, "t1", begun + 1000)
    assert scene.store.activities.all() == [
        Activity(ann.id, 1, begun, scene.clock.now),
        Activity(idle.id, 0, None, None),
    ]
