// The annotation board. Draws the view that annotate.py sends, sends back what the annotator does.
// Only `a`, `b` and assistant turns arrive as HTML, rendered and cleaned by markdown.py; the rest is text.
const DEAF_MS = 150; // a pair this new cannot have been read: the press was meant for the one before
const LOOK_AGAIN_MS = 2000;
const SILENCE_MS = 15000;
const PENDING = 'prefloop-pending';
const QUESTION = 'Which answer is better?';

const root = element.querySelector('.pl');
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');

let view = { state: 'loading' };
let key = newKey();
let busy = false;
let run = 0;
let shownAt = 0;
let timer = 0;
let statusTimer = 0;
let turnsShown = '';

// The time a pair was readable: from when both answers stood there, without the time the tab was hidden.
const stopwatch = {
  spent: 0, since: null,
  start() { this.spent = 0; this.since = document.hidden ? null : performance.now(); },
  pause() { if (this.since !== null) { this.spent += performance.now() - this.since; this.since = null; } },
  go() { if (this.since === null) this.since = performance.now(); },
  read() { return Math.round(this.spent + (this.since === null ? 0 : performance.now() - this.since)); },
};

const say = (text, tone = 'ask') => {
  clearTimeout(statusTimer);
  const status = part('status');
  status.textContent = text;
  status.dataset.tone = tone;
  if (tone === 'ok') statusTimer = setTimeout(() => say(idleText()), 2500);
};

const idleText = () => ({ pair: QUESTION, live: 'Two answers are being written…' })[view.state] ?? '';

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

const drawProgress = ({ done, goal }) => {
  const inSet = done && done % goal === 0 ? goal : done % goal;
  part('fill').style.width = `${(100 * inSet) / goal}%`;
  part('count').textContent = `${inSet} / ${goal}`;
  part('progress').title = `${done} judgments in all`;
  part('progress').setAttribute('aria-valuemax', goal);
  part('progress').setAttribute('aria-valuenow', inSet);
};

const light = (pick) => {
  for (const button of root.querySelectorAll('[data-pick]')) button.classList.toggle('picked', button.dataset.pick === pick);
  root.dataset.side = { 1: 'a', 2: 'a', 4: 'b', 5: 'b' }[pick] ?? '';
};

const lock = () => {
  const readable = view.state === 'pair' && !busy;
  for (const button of root.querySelectorAll('[data-pick]')) button.setAttribute('aria-disabled', String(!readable));
};

const show = (next) => {
  clearTimeout(timer);
  const fresh = next.state !== 'live' || view.state !== 'live';
  view = next;
  root.dataset.state = view.state;
  root.dataset.token = view.token ?? '';
  if (view.done !== undefined) drawProgress(view);
  if (view.person) {
    part('person').title = `Sign out ${view.person.login}`;
    part('admin').hidden = !view.person.admin;
  }
  if (view.turns) drawTurns(view.turns);
  if (view.state === 'wait') part('trouble').textContent = view.trouble;
  for (const side of ['a', 'b']) part(side).innerHTML = view[side] ?? '';
  light(view.picked ?? '');
  if (fresh) {
    scrollTo(0, 0);
    say(view.note || idleText(), view.note ? view.tone : 'ask');
  }
  if (view.state === 'pair') {
    key = newKey();
    shownAt = performance.now();
    stopwatch.start();
  }
  lock();
  document.dispatchEvent(new CustomEvent('prefloop:shown', { detail: { state: view.state, at: performance.now() } }));
  follow();
};

// What happens by itself after a view: a live pair is asked for, an empty desk is looked at again.
const follow = () => {
  if (view.state === 'live') {
    if (view.run !== run) { run = newKey(); view.run = run; trigger('live', { run }); }
    timer = setTimeout(() => ask({ do: 'next' }), SILENCE_MS);
  } else if (view.state === 'wait') {
    timer = setTimeout(() => ask({ do: 'next' }), LOOK_AGAIN_MS);
  }
};

// null: no answer at all; else the status of a page that only answers while the session lasts.
const session = () => fetch('/auth/session').then((answer) => answer.status, () => null);

// Sends until there is an answer. The key makes a judgment sent twice one judgment.
// Gradio's client gives nothing back when a call fails, whatever the reason.
const insist = async (request) => {
  for (let tries = 1; ; tries += 1) {
    const answer = await server.act(request);
    if (answer) return answer;
    const status = await session();
    if (status === 401) { location.assign('/sign-in/?why=session'); return new Promise(() => {}); }
    if (status !== null && tries >= 4) return null;
    const seconds = Math.min(8, 2 ** (tries - 1));
    const kept = request.do === 'judge' ? ' Your choice is kept.' : '';
    say(`The server does not answer.${kept} Trying again in ${seconds} s.`, 'warn');
    await sleep(1000 * seconds);
  }
};

const ask = async (request) => {
  if (busy) return;
  busy = true;
  lock();
  if (request.do === 'judge') sessionStorage.setItem(PENDING, JSON.stringify(request)); // survives reload and sign-in
  const next = await insist(request);
  sessionStorage.removeItem(PENDING);
  busy = false;
  if (next) { run = 0; show(next); return; }
  lock();
  say('The server failed to do that; nothing was saved. Try again, and tell an admin if it stays so.', 'warn');
  if (view.state !== 'pair') timer = setTimeout(() => ask({ do: 'next' }), LOOK_AGAIN_MS);
};

const judge = (pick) => {
  if (busy || view.state !== 'pair' || performance.now() - shownAt < DEAF_MS) return;
  light(pick);
  ask({ do: 'judge', token: view.token, pick, key, ms: stopwatch.read() });
};

const drawer = (open = part('drawer').inert) => {
  part('drawer').inert = !open;
  root.querySelector('.pl-top [data-do="guide"]').setAttribute('aria-expanded', String(open));
};

const leave = async () => {
  await fetch('/auth/logout', { method: 'POST' });
  location.assign('/sign-in/');
};

const act = { undo: () => ask({ do: 'undo' }), guide: () => drawer(), mode: () => window.prefloopMode.toggle(), leave };

element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-pick], [data-do]');
  if (!button || event.detail > 1) return; // the second click of a double click belongs to the first
  if (button.dataset.pick) judge(button.dataset.pick);
  else act[button.dataset.do]();
});

const typing = (target) => target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? '');

const onKey = (event) => {
  if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
  if (event.key === 'Escape') { drawer(false); return; }
  if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const digit = /^Digit([0-5])$/.exec(event.code)?.[1]; // by place, where digits need Shift
  const pressed = digit ?? event.key.toLowerCase();
  if (/^[0-5s]$/.test(pressed)) judge(pressed);
  else if (pressed === 'u') act.undo();
  else if (pressed === 'g') act.guide();
  else return;
  event.preventDefault();
};

document.addEventListener('keydown', onKey);
document.addEventListener('visibilitychange', () => (document.hidden ? stopwatch.pause() : stopwatch.go()));
watch('value', () => { if (props.value.run === run) show(props.value); });

ask(JSON.parse(sessionStorage.getItem(PENDING)) ?? { do: 'next' });
