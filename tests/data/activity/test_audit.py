import sqlite3

import pytest

from data.activity.audit import AuditAct, AuditEntry
from tests.data.scene import Scene


def test_acts_are_read_newest_first(scene: Scene) -> None:
    boss = scene.annotator()
    scene.store.audit.add(boss.id, AuditAct.QUARANTINE, {"person_id": 7, "reason": "拍脑袋"})
    scene.store.audit.add(None, AuditAct.RETIRE, {})
    assert scene.store.audit.newest(5) == [
        AuditEntry(2, None, "retire", {}, scene.clock.now),
        AuditEntry(1, boss.id, "quarantine", {"person_id": 7, "reason": "拍脑袋"}, scene.clock.now),
    ]
    assert [act.id for act in scene.store.audit.newest(1)] == [2]
    assert [act.id for act in scene.store.audit.newest(5, before=2)] == [1]


def test_an_act_is_of_somebody_who_exists(scene: Scene) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        scene.store.audit.add(99, AuditAct.QUARANTINE, {})
