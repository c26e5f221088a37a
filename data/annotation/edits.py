"""Store an annotator's edit of the better answer as a pair: the edited answer against the original.

Called by judgments.py inside the write transaction that records the judgment.
"""

import sqlite_utils

from data.annotation.completions import insert_written
from data.db.database import Row, first, insert
from data.errors import InputError
from data.records import Choice, Purpose, Thought

EDIT = "edit"
"""The strategy of a pair that an edit made."""


def add_edited_pair(db: sqlite_utils.Database, judgment: Row, text: str) -> int:
    """Store an edit of the answer that a judgment chose and a pair of both (a: the edited one); return the pair's id.

    Only the annotator who edited judges that pair, so it is withdrawn from the start. Raises InputError when the text
    is empty, too long or unchanged.
    """
    side = "a" if judgment["choice"] == Choice.A.value else "b"
    original = first(
        db,
        f"""
        select c.id, c.text, c.prompt_id, c.reasoning, c.reasoning_tokens, p.version_id
        from pair p join completion c on c.id = p.completion_{side}_id where p.id = ?
        """,
        [judgment["pair_id"]],
    )
    assert original is not None
    if text.split() == original["text"].split():
        raise InputError("The edited answer is the same as the original. Change it, or leave the edit out.")
    now, prompt_id = judgment["created_at"], original["prompt_id"]
    # reasoning is kept where the model reached an answer with it; an empty original means it never did
    reasoned = original["reasoning"] is not None and original["text"]
    edited_id = insert_written(
        db,
        text,
        prompt_id=prompt_id,
        author_id=judgment["annotator_id"],
        edits_id=original["id"],
        now=now,
        thought=Thought(original["reasoning"], original["reasoning_tokens"]) if reasoned else None,
    )
    pair = {
        "prompt_id": prompt_id,
        "completion_a_id": edited_id,
        "completion_b_id": original["id"],
        "version_id": original["version_id"],
        "purpose": Purpose.TRAIN.value,
        "strategy": EDIT,
        "target_judgments": 1,
        "withdrawn_at": now,
        "created_at": now,
    }
    return insert(db, "pair", pair)
