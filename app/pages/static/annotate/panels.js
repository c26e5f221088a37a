// What opens beside or over the board: guidelines, history, menu, keys, a new prompt, the pause.
const panels = [...root.querySelectorAll('[data-panel]')];
const dialogs = [...root.querySelectorAll('dialog')];
const panelOf = (name) => panels.find((panel) => panel.dataset.panel === name);

const openPanel = (name) => {
  const panel = panelOf(name);
  const open = panel?.inert ?? false;
  for (const one of panels) one.inert = one !== panel || !open;
  for (const button of root.querySelectorAll('.pl-top [data-do]')) button.setAttribute('aria-expanded', String(open && button.dataset.do === name));
  if (open) panel.querySelector('.pl-close').focus();
  return open;
};
const closeAll = () => { openPanel(null); for (const dialog of dialogs) if (dialog !== part('paused')) dialog.close(); };
const covered = () => dialogs.some((dialog) => dialog.open);

const openHelp = () => {
  closeAll();
  part('keys').replaceChildren(...helpRows().flatMap(([key, words]) => {
    const term = document.createElement('dt');
    const what = document.createElement('dd');
    const cap = document.createElement('kbd');
    cap.textContent = key;
    term.append(cap);
    what.textContent = words;
    return [term, what];
  }));
  part('help').showModal();
};

// The words are those of the buttons themselves, so that no list can fall behind.
const helpRows = () => {
  const words = (selector) => root.querySelector(`${selector} [data-t]`)?.textContent;
  const rows = Object.entries(keymap().keys).map(([key, does]) => [shownKey(key), words(`[data-pick="${does}"]`) ?? words(`[data-do="${does}"]`) ?? t(EXTRA_KEYS[does])]);
  return [...rows, ['Shift+1…9', t('Reasons for A')], ['Shift+Q…O', t('Reasons for B')], ['Esc', t('Close')]];
};
const EXTRA_KEYS = { flag: 'Flag', menu: 'Menu', help: 'Keys' };

const drawKeys = () => {
  for (const button of root.querySelectorAll('[data-pick], [data-do]')) {
    const key = keyFor(button.dataset.pick ?? button.dataset.do);
    const cap = button.querySelector('kbd');
    if (!cap || button.dataset.do === 'close' || button.dataset.do === 'send') continue;
    cap.hidden = !key;
    if (!key) continue;
    cap.textContent = shownKey(key);
    button.setAttribute('aria-keyshortcuts', shownKey(key).replace('Ctrl', 'Control'));
  }
};

const openHistory = async (before = null) => {
  if (before === null && !openPanel('history')) return;
  const page = await server.history({ before });
  if (!page) { say(t('The server does not answer.'), 'warn'); return; }
  const rows = page.rows.map((row) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const [pick, prompt, when] = ['b', 'span', 'time'].map((name) => document.createElement(name));
    pick.textContent = root.querySelector(`[data-pick="${row.pick}"] [data-t]`)?.textContent ?? '';
    pick.dataset.picked = row.pick;
    prompt.textContent = row.prompt;
    prompt.dir = 'auto';
    when.textContent = new Date(row.at).toLocaleString(document.documentElement.lang, { dateStyle: 'short', timeStyle: 'short' });
    button.type = 'button';
    button.dataset.change = row.id;
    button.append(pick, prompt, when);
    if (row.remarked) button.append(Object.assign(document.createElement('em'), { textContent: t('with details') }));
    item.append(button);
    return item;
  });
  if (before === null) part('history').replaceChildren(...rows);
  else part('history').append(...rows);
  if (before === null && !rows.length) part('history').append(Object.assign(document.createElement('li'), { textContent: t('Nothing yet.') }));
  part('older').hidden = page.next === null;
  part('older').dataset.before = page.next ?? '';
};

// `after`: the judgment whose chosen answer the words are said to; null for a prompt of one's own
const openComposer = (after = null) => {
  closeAll();
  part('composer').dataset.after = after ?? '';
  part('composer-title').textContent = after === null ? t('New prompt') : t('Reply to this answer');
  part('composer-note').textContent = '';
  part('prompt').value = sessionStorage.getItem('prefloop-prompt') ?? '';
  part('composer').showModal();
  part('prompt').focus();
};
part('prompt').addEventListener('input', () => sessionStorage.setItem('prefloop-prompt', part('prompt').value));

const sendPrompt = async () => {
  const text = part('prompt').value.trim();
  const { after } = part('composer').dataset;
  if (!text) { part('composer-note').textContent = t('Write something first.'); part('prompt').focus(); return; }
  const failed = await ask(after ? { do: 'continue', judgment: Number(after), text } : { do: 'write', text });
  if (failed) { part('composer-note').textContent = failed; return; }
  sessionStorage.removeItem('prefloop-prompt');
  part('composer').close();
};

const pause = () => {
  const paused = !part('paused').open;
  closeAll();
  stopwatch.pause(paused);
  root.dataset.paused = String(paused); // what is paused is not read either
  if (paused) part('paused').showModal();
  else { part('paused').close(); if (view.state === 'pair') ask({ do: 'next', token: view.token }); }
};
part('paused').addEventListener('cancel', (event) => { event.preventDefault(); pause(); });

for (const [tag, { name }] of Object.entries(KEYMAPS)) part('keymap').append(new Option(name, tag));
part('keymap').value = localStorage.getItem(KEYMAP) in KEYMAPS ? localStorage.getItem(KEYMAP) : 'prefloop';
part('keymap').addEventListener('change', () => { localStorage.setItem(KEYMAP, part('keymap').value); drawKeys(); say(idleText()); });
part('language').value = window.prefloopTexts.language;
part('language').addEventListener('change', () => window.prefloopTexts.choose(part('language').value));
