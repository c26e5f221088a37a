from tests.data.scene import Scene

ADDRESS = "http://a.test/hook"


def test_a_message_waits_for_each_address_until_it_is_sent(scene: Scene) -> None:
    outbox = scene.store.outbox
    outbox.put({"type": "round.finished"}, [ADDRESS, "http://b.test/"])
    first, second = outbox.due()
    assert (first.address, first.body, first.tries) == (ADDRESS, {"type": "round.finished"}, 0)
    assert first.key != second.key
    outbox.sent(first.id)
    assert outbox.due() == [second]
    assert [parcel.sent_at for parcel in outbox.newest(9)] == [None, scene.clock.now]


def test_a_try_in_vain_is_due_again_later(scene: Scene) -> None:
    outbox = scene.store.outbox
    outbox.put({}, [ADDRESS])
    [parcel] = outbox.due()
    outbox.failed(parcel.id, "answered 500", again_in_ms=5000)
    assert outbox.due() == []
    assert outbox.next_at() == scene.clock.now + 5000
    scene.clock.now += 5000
    [again] = outbox.due()
    assert (again.key, again.tries, again.error) == (parcel.key, 1, "answered 500")


def test_what_is_given_up_is_not_due_and_not_forgotten(scene: Scene) -> None:
    outbox = scene.store.outbox
    outbox.put({}, [ADDRESS])
    [parcel] = outbox.due()
    outbox.failed(parcel.id, "answered 410", again_in_ms=None)
    scene.clock.now += 10**9
    assert outbox.due() == []
    assert outbox.next_at() is None
    [kept] = outbox.newest(9)
    assert (kept.given_up_at, kept.error) == (scene.clock.now - 10**9, "answered 410")
