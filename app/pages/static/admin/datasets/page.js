// Bringing in: a file is sent and looked at, and kept only when somebody says so.
import { refusal } from '../../shared/ask.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, count, moment, onPress, part, say } from '../shared/admin.js';
import { fillFormats, showExports, showPreview } from './export.js';
import { follow, link, rowCard } from './shared.js';

const bring = part('bring');
let seen = null;

const drawLook = () => {
  part('take-in').hidden = seen === null;
  if (seen === null) { part('look').replaceChildren(); return; }
  const readAs = seen.format ? `${seen.container}, ${seen.format}` : seen.container;
  const words = [element('h3', '', t('{name}: {good} of {rows} rows can be imported', { name: seen.name, good: count(seen.good), rows: count(seen.rows) }))];
  const bar = element('div', 'datasets-bar', element('i'), element('i'));
  bar.children[0].style.flexGrow = seen.good;
  bar.children[0].dataset.kept = 'train';
  bar.children[1].style.flexGrow = seen.rows - seen.good;
  words.push(bar, element('p', 'datasets-words', t('Read as {format}.', { format: readAs })));
  if (seen.bad.length) {
    words.push(element('p', 'datasets-words', t('Left out, and why:')));
    words.push(element('ul', 'datasets-bad', ...seen.bad.map(({ number, reason }) => element('li', '', element('b', '', `${seen.unit} ${number}`), ` ${reason}`))));
  }
  words.push(element('p', 'datasets-words', t('The first rows:')), ...seen.shown.slice(0, 2).map((row) => rowCard(Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)))));
  part('look').replaceChildren(...words);
  action('import').textContent = t('Import {count} rows', { count: count(seen.good) });
};

// The file itself is the body, so that a large one need not fit into memory.
const lookAt = async (file) => {
  if (!file) return;
  say('');
  part('look').replaceChildren(element('p', 'datasets-words', t('{name} is being looked at …', { name: file.name })));
  try {
    const asked = new URLSearchParams({ name: file.name, kind: bring.kind.value });
    if (bring.kind.value === 'preferences' && bring.format.value) asked.set('format', bring.format.value);
    for (const name of ['source', 'license']) if (bring[name].value.trim()) asked.set(name, bring[name].value.trim());
    const answer = await fetch(`/api/v1/imports/look?${asked}`, { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } });
    const said = await answer.json();
    if (!answer.ok) throw new Error(refusal(said));
    seen = said;
  } catch (error) {
    seen = null;
    say(error.message, 'warn');
  }
  drawLook();
};

const STATES = { running: t('importing'), done: t('kept'), broken_off: t('interrupted') };
const importItem = (entry) => {
  const { added = 0, known = 0, bad = 0 } = entry.counts;
  const facts = [
    entry.format ?? t('prompts'),
    t('{added} added, {known} known before, {bad} left out', { added: count(added), known: count(known), bad: count(bad) }),
    STATES[entry.state],
    entry.license ?? t('no licence'),
    moment(entry.created_at),
  ];
  const text = element('div', 'admin-text', element('b', '', entry.name), element('span', '', facts.join(' · ')));
  if (entry.reason) text.append(element('p', '', entry.reason));
  const item = element('li', '', text);
  item.dataset.id = entry.id;
  if (bad) item.append(element('div', 'admin-buttons', link(t('Rows left out'), `/imports/${entry.id}/bad-rows`)));
  return item;
};
const showImports = async () => part('imports').replaceChildren(...(await api('GET', '/imports')).map(importItem));

part('file').addEventListener('change', async ({ target }) => {
  await lookAt(target.files[0]);
  target.value = '';
});
for (const name of ['dragover', 'dragleave', 'drop']) {
  part('drop').addEventListener(name, (event) => {
    event.preventDefault();
    part('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') lookAt(event.dataTransfer.files[0]);
  });
}
bring.kind.addEventListener('change', () => { bring.format.disabled = bring.kind.value === 'prompts'; });
bring.addEventListener('submit', (event) => event.preventDefault());
onPress(action('import'), async () => {
  const { upload } = seen;
  seen = null;
  drawLook();
  await follow(await api('POST', '/imports', { upload }), 'import');
  await Promise.all([showImports(), showPreview()]);
  say(t('File imported.'));
});
onPress(action('forget'), async () => {
  await api('DELETE', `/imports/uploads/${seen.upload}`);
  seen = null;
  drawLook();
});
begin(fillFormats, showExports, showImports);
