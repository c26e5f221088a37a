// The remarks below the answers: reasons for each side, comment, flag, and the better answer as one would have it.
const reasonChips = (side) => [...root.querySelectorAll(`[data-reasons="${side}"] .pl-chip`)];

const drawReasons = (names) => {
  for (const side of ['a', 'b']) {
    root.querySelector(`[data-reasons="${side}"]`).replaceChildren(...names.map((name, at) => {
      const chip = document.createElement('button');
      chip.type = 'button';
      chip.className = 'pl-chip';
      chip.dataset.reason = name;
      chip.textContent = t(name);
      if (at < LETTERS.length) chip.title = reasonKey(side, at);
      return chip;
    }));
  }
};

const drawRemarks = () => {
  const { open } = draft;
  part('remarks').hidden = !open;
  root.dataset.remarks = open ? 'open' : 'closed';
  root.querySelector('[data-do="remarks"]').setAttribute('aria-expanded', String(open));
  for (const side of ['a', 'b']) {
    for (const chip of reasonChips(side)) chip.setAttribute('aria-pressed', String(draft.reasons[side].includes(chip.dataset.reason)));
  }
  for (const chip of root.querySelectorAll('[data-flag]')) chip.setAttribute('aria-pressed', String(draft.flag === chip.dataset.flag));
  if (part('comment').value !== draft.comment) part('comment').value = draft.comment;
  const side = draft.decisive();
  const editing = draft.edit() !== null;
  part('edit-field').hidden = !editing;
  if (editing) {
    part('edit-title').textContent = t('Your corrected version of answer {side}', { side: side.toUpperCase() });
    if (part('edit').value !== draft.edit()) part('edit').value = draft.edit();
  }
  root.querySelector('[data-do="edit"]').disabled = side === '' || editing;
};

const remark = (change) => { change(); draft.keep(); drawRemarks(); };

const openRemarks = (open = !draft.open) => { if (view.state === 'pair') remark(() => { draft.open = open; }); };

const startEdit = () => {
  const side = draft.decisive();
  if (view.state !== 'pair') return;
  openRemarks(true);
  if (!side) { say(t('Choose the better answer first, then edit it.'), 'warn'); return; }
  if (draft.edit() === null) remark(() => { draft.edits[side] = view.text[side]; });
  part('edit').focus();
};

const startFlag = () => { openRemarks(true); root.querySelector('[data-flag]').focus(); };

part('comment').addEventListener('input', () => remark(() => { draft.comment = part('comment').value; }));
part('edit').addEventListener('input', () => remark(() => { draft.edits[draft.decisive()] = part('edit').value; }));
