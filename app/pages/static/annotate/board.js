// The annotation board: draws the view that annotate.py sends, sends back what the annotator does.
// Only answers, assistant turns and guidelines arrive as HTML, rendered and cleaned by markdown.py; the rest is text.
const LOOK_AGAIN_MS = 2000;
const SILENCE_MS = 15000;
const PENDING = 'prefloop-pending';

let view = { state: 'loading' };
let key = newKey();
let busy = false;
let run = 0;
let timer = 0;
let statusTimer = 0;
let turnsShown = '';

const say = (text, tone = 'ask') => {
  clearTimeout(statusTimer);
  const status = part('status');
  status.textContent = text;
  status.dataset.tone = tone;
  if (tone === 'ok') statusTimer = setTimeout(() => say(idleText()), 2500);
};
const told = (note) => (note ? t(note.words, note.values) : '');

const idleText = () => {
  if (view.state === 'live') return t('Two answers are being written…');
  if (view.state !== 'pair') return '';
  if (draft.pick) return t('{choice}: submit with {key}', { choice: wordsOf(draft.pick), key: shownKey(keyFor('submit')) });
  return view.changing ? t('Changing an earlier judgment: which answer is better?') : t('Which answer is better?');
};
const wordsOf = (pick) => root.querySelector(`[data-pick="${pick}"] [data-t]`).textContent;

const drawTurns = (turns) => {
  const stamp = JSON.stringify(turns);
  if (stamp === turnsShown) return;
  turnsShown = stamp;
  const nodes = turns.map((turn) => {
    const box = document.createElement('div');
    box.className = 'pl-turn';
    box.dataset.role = turn.role;
    const body = document.createElement('div');
    body.className = 'pl-text';
    body.dir = 'auto';
    if (turn.html === undefined) body.textContent = turn.text;
    else body.innerHTML = turn.html;
    box.append(body);
    return box;
  });
  part('turns').replaceChildren(...nodes);
  part('turns').scrollTop = part('turns').scrollHeight; // the last turn is the one that is answered
};

const light = () => {
  for (const button of root.querySelectorAll('[data-pick]')) {
    const chosen = button.dataset.pick === draft.pick;
    button.classList.toggle('picked', chosen);
    button.setAttribute('aria-pressed', String(chosen));
  }
  root.dataset.side = draft.decisive();
};

const lock = () => {
  const readable = view.state === 'pair' && !busy && !deafness.now();
  for (const button of root.querySelectorAll('[data-pick]')) button.setAttribute('aria-disabled', String(!readable));
};

// What a known pair was expected to be, told after the judgment. Stays until the next one.
const feedback = ({ right, expected, why }) => {
  const words = right ? t('Correct: that was a test pair, and you gave the expected answer.') : t('That pair was a test. Expected: {expected}.', { expected: wordsOf(expected) });
  say(`${words} ${why}`.trim(), right ? 'good' : 'warn');
};

const drawPerson = ({ login, admin }) => {
  part('person').textContent = login;
  for (const link of root.querySelectorAll('[data-admin]')) link.hidden = !admin;
};

const drawGuide = ({ version, html }) => {
  const zh = window.prefloopTexts.language === 'zh' && html.zh;
  const changed = root.dataset.guide && root.dataset.guide !== version;
  root.dataset.guide = version;
  part('guide').innerHTML = zh || html.en;
  part('guide-version').textContent = t('Version {version}', { version });
  if (changed) { say(t('The guidelines have changed: please read them.'), 'warn'); openPanel('guide'); }
};

const show = (next) => {
  clearTimeout(timer);
  const fresh = next.state !== 'live' || view.state !== 'live';
  const same = next.state === 'pair' && next.token === view.token; // after a pause: the same reading goes on
  view = next;
  root.dataset.state = view.state;
  root.dataset.token = view.token ?? '';
  if (view.reasons) drawReasons(view.reasons);
  if (view.person) drawPerson(view.person);
  if (view.turns) drawTurns(view.turns);
  if (view.state === 'wait') part('trouble').textContent = told(view.trouble);
  draft.begin(view.token ?? '', view.said);
  drawReasoning(fresh && !same);
  drawAnswers();
  drawRemarks();
  light();
  const reached = view.done !== undefined && session.draw(view);
  part('continue').hidden = !view.continues;
  if (view.state === 'pair' && !same) {
    key = newKey();
    stopwatch.start();
    deafness.begin(view.deaf_ms);
  } else if (view.state !== 'pair') deafness.end();
  if (fresh) {
    if (!same) for (const box of [window, part('a'), part('b')]) box.scrollTo(0, 0);
    if (view.feedback) feedback(view.feedback);
    else if (reached && view.note) say(t('Goal reached. A good moment for a break.'), 'good');
    else say(told(view.note) || idleText(), view.note ? view.tone : 'ask');
  }
  if (view.guide) drawGuide(view.guide);
  lock();
  document.dispatchEvent(new CustomEvent('prefloop:shown', { detail: { state: view.state, at: performance.now() } }));
  follow();
};

// What happens by itself after a view: a live pair is asked for, an empty desk is looked at again.
const follow = () => {
  if (view.state === 'live') {
    if (view.run !== run) { run = newKey(); view.run = run; trigger('live', { run, prompt: view.prompt ?? null }); }
    timer = setTimeout(() => ask({ do: 'next' }), SILENCE_MS);
  } else if (view.state === 'wait') {
    timer = setTimeout(() => ask({ do: 'next' }), LOOK_AGAIN_MS);
  }
};

// null: no answer at all; else the status of a page that only answers while the session lasts.
const sessionStatus = () => fetch('/auth/session').then((answer) => answer.status, () => null);

// Sends until there is an answer. The key makes a judgment sent twice one judgment.
// Gradio's client gives nothing back when a call fails, whatever the reason.
const insist = async (request) => {
  for (let tries = 1; ; tries += 1) {
    const answer = await server.act({ ...request, guide: root.dataset.guide ?? '' });
    if (answer) return answer;
    const status = await sessionStatus();
    if (status === 401) { location.assign('/sign-in/?why=session'); return new Promise(() => {}); }
    if (status !== null && tries >= 4) return null;
    const seconds = Math.min(8, 2 ** (tries - 1));
    const again = t('Trying again in {seconds} s.', { seconds });
    say([t('The server does not answer.'), request.do === 'judge' ? t('Your choice is kept.') : '', again].join(' '), 'warn');
    await sleep(1000 * seconds);
  }
};

// Does one act and shows what comes of it; the answer is why it was refused, if it was.
const ask = async (request) => {
  if (busy) return t('One moment: something is still being sent.');
  busy = true;
  lock();
  if (request.do === 'judge') sessionStorage.setItem(PENDING, JSON.stringify(request)); // survives reload and sign-in
  const next = await insist(request);
  sessionStorage.removeItem(PENDING);
  busy = false;
  if (next) {
    run = 0;
    if (request.do === 'judge' && !next.refused) draft.forget();
    show(next);
    return next.refused ? told(next.note) : '';
  }
  lock();
  const failed = t('The server failed to do that; nothing was saved. Try again, and tell an admin if it stays so.');
  say(failed, 'warn');
  if (view.state !== 'pair') timer = setTimeout(() => ask({ do: 'next' }), LOOK_AGAIN_MS);
  return failed;
};

const ready = () => {
  if (busy || view.state !== 'pair' || stopwatch.paused) return false;
  if (!deafness.now()) return true;
  if (!deafness.double()) say(t('Read both answers first; a moment more.'));
  return false;
};

const choose = (pick) => {
  if (!ready()) return;
  draft.pick = pick;
  light();
  if (keymap().atOnce && !draft.open) { submit(); return; }
  draft.keep();
  drawRemarks();
  say(idleText());
};

const submit = () => {
  if (!ready()) return;
  if (!draft.pick) { say(t('Choose an answer first.'), 'warn'); return; }
  ask({ do: 'judge', token: view.token, pick: draft.pick, key, ms: stopwatch.read(), ...draft.remarks(view.text) });
};

const leave = async () => {
  await fetch('/auth/logout', { method: 'POST' });
  location.assign('/sign-in/');
};

const act = {
  undo: () => { if (!deafness.double()) ask({ do: 'undo' }); }, guide: () => openPanel('guide'), menu: () => openPanel('menu'), history: () => openHistory(),
  older: () => openHistory(Number(part('older').dataset.before)), write: () => openComposer(), send: sendPrompt, help: openHelp,
  continue: () => { if (view.continues) openComposer(view.continues); }, remarks: () => openRemarks(), edit: startEdit, flag: startFlag,
  plain: () => toggleLook('plain'), difference: () => toggleLook('difference'), together: () => toggleLook('together'),
  pause, submit, close: closeAll, mode: () => window.prefloopMode.toggle(), leave,
};

element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-pick], [data-do], [data-reason], [data-flag], [data-change]');
  if (!button || event.detail > 1) return; // the second click of a double click belongs to the first
  const { pick, reason, flag, change } = button.dataset;
  if (reason) remark(() => draft.toggle(button.closest('[data-reasons]').dataset.reasons, reason));
  else if (flag) remark(() => { draft.flag = draft.flag === flag ? '' : flag; });
  else if (change) { closeAll(); ask({ do: 'change', judgment: Number(change) }); }
  else if (pick) { if (event.detail) button.blur(); choose(pick); } // so that Enter submits and does not press it again
  else act[button.dataset.do]();
});

const typing = (target) => target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? '');

const onKey = (event) => {
  if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
  if (event.key === 'Escape') { closeAll(); event.target.blur?.(); return; }
  if (event.repeat || event.isComposing || event.keyCode === 229 || event.altKey) return; // 229: an input method is at work
  const pressed = keyOf(event);
  if (covered()) {
    if (pressed === 'ctrl+enter' && part('composer').open) { event.preventDefault(); sendPrompt(); }
    else if (keymap().keys[pressed] === 'pause' && part('paused').open) pause();
    return;
  }
  if (typing(event.target) && pressed !== 'ctrl+enter') return;
  if (/^(enter|space)$/.test(pressed) && event.target.closest?.('button, a, select, summary')) return; // presses what has the focus
  const reason = reasonOf(event);
  const chip = reason && reasonChips(reason.side)[reason.at];
  const does = keymap().keys[pressed];
  if (chip) { openRemarks(true); remark(() => draft.toggle(reason.side, chip.dataset.reason)); }
  else if (!does || (does !== 'help' && event.shiftKey)) return;
  else if (does in act) act[does]();
  else choose(does);
  event.preventDefault();
};

document.addEventListener('keydown', onKey);
watch('value', () => { if (props.value.run === run) show(props.value); });

window.prefloopTexts.translate(root);
drawKeys();
ask(JSON.parse(sessionStorage.getItem(PENDING)) ?? { do: 'next' });
