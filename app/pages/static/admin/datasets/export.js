// Taking out: what a file would hold, drawn while one chooses; making it, and the files that were made.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, button, count, moment, onPress, part, question, say } from '../shared/admin.js';
import { LEFT_OUT, leftOutWords } from '../shared/left_out.js';
import { follow, link, rowCard } from './shared.js';

const PREVIEW_PAUSE_MS = 300;
const order = part('order');
let formats = [];

const listed = (name) => order[name].value.split(',').map((one) => one.trim()).filter(Boolean);
const midnight = (name) => (order[name].value ? new Date(`${order[name].value}T00:00`).getTime() : null);
const wanted = () => ({
  format: order.format.value,
  container: order.container.value,
  split: order.split.value || null,
  aggregation: order.aggregation.value,
  ties: order.ties.checked && !order.ties.disabled,
  both_bad: order.both_bad.checked && !order.both_bad.disabled,
  provenance: order.provenance.checked && !order.provenance.disabled,
  anonymous: order.anonymous.checked,
  barred: order.barred.checked,
  since: midnight('since'),
  until: midnight('until'),
  votes: Number(order.votes.value) || 1,
  agreement: Number(order.agreement.value) / 100,
  strength: Number(order.strength.value) || 1,
  rounds: listed('rounds').map(Number),
  versions: listed('versions'),
  annotators: listed('annotators'),
  tags: listed('tags'),
  languages: listed('languages'),
});

const among = (counts, kind) => Object.fromEntries(
  Object.entries(counts).filter(([key]) => key.startsWith(`${kind}_`)).map(([key, number]) => [key.slice(kind.length + 1), number]),
);
const partWords = (pairs) => [
  t('{count} pairs to train on', { count: count(pairs.train ?? 0) }),
  t('{count} held-out pairs', { count: count(pairs.test ?? 0) }),
].join(' · ');

const drawPreview = ({ counts, rows, json_columns: json, tried }) => {
  const kept = among(counts, 'judgments');
  const out = among(counts, 'excluded');
  const unheld = Object.entries(among(counts, 'unheld'));
  const bar = element('div', 'datasets-bar');
  for (const [name, number] of [...Object.entries(kept).sort().reverse(), ...Object.entries(out)]) {
    const piece = element('i');
    piece.style.flexGrow = number;
    piece.title = LEFT_OUT[name]?.(number) ?? '';
    if (name in kept) piece.dataset.kept = name;
    bar.append(piece);
  }
  const words = [element('h3', '', partWords(among(counts, 'pairs'))), bar];
  if (json.length) words.push(element('p', 'datasets-words', t('In CSV these columns are JSON texts, which a trainer would take for plain text: {columns}. To train, take jsonl or parquet, or a format that has only texts, such as trl-text.', { columns: json.join(', ') })));
  if (Object.keys(out).length) words.push(element('p', 'datasets-words', t('Left out: {reasons}', { reasons: leftOutWords(out).join(', ') })));
  for (const [reason, number] of unheld) words.push(element('p', 'datasets-words', t('{count} pairs that this format cannot hold: {reason}', { count: count(number), reason })));
  if (counts.reasoning_dropped) words.push(element('p', 'datasets-words', t('{count} answers had reasoning, which this format does not hold: they are exported without it.', { count: count(counts.reasoning_dropped) })));
  if (tried !== null) words.push(element('p', 'datasets-words', t('There are many: whether the format can hold a pair was tried with {count} of them, and what that found is of these alone. The export itself tries all.', { count: count(tried) })));
  if (rows.length) words.push(element('p', 'datasets-words', t('The first rows:')), ...rows.slice(0, 2).map(rowCard));
  part('preview').replaceChildren(...words);
  for (const name of ['export', 'publish']) action(name).disabled = !rows.length;
};

const previewFails = (error) => {
  part('preview').replaceChildren(element('p', 'datasets-words', error.message));
  for (const name of ['export', 'publish']) action(name).disabled = true;
};

let previews = 0;
export const showPreview = async () => {
  previews += 1;
  const mine = previews;
  try {
    const drawn = await api('POST', '/exports/preview', wanted());
    if (mine === previews) drawPreview(drawn);
  } catch (error) {
    if (mine === previews) previewFails(error);
  }
};
const chosenFormat = () => formats.find(({ name }) => name === order.format.value);
const asUsual = () => {
  const { aggregation, ties, both_bad: bothBad } = chosenFormat();
  order.aggregation.value = aggregation;
  order.ties.checked = ties;
  order.both_bad.checked = bothBad;
};
const allowed = () => {
  const { choices, open } = chosenFormat();
  order.ties.disabled = !choices.includes('tie');
  order.both_bad.disabled = !choices.includes('both_bad');
  order.provenance.disabled = !open;
};
const exportItem = (made) => {
  const facts = [partWords(among(made.counts, 'pairs')), made.container, moment(made.created_at), made.sha256.slice(0, 12)];
  const item = element('li', '', element('div', 'admin-text', element('b', '', made.format), element('span', '', facts.join(' · '))));
  item.dataset.id = made.id;
  if (made.here) {
    item.append(element(
      'div',
      'admin-buttons',
      link(t('Download'), `/exports/${made.id}/file`),
      link(t('Manifest'), `/exports/${made.id}/manifest`),
      button(t('Discard'), async () => { await api('DELETE', `/exports/${made.id}/file`); await showExports(); }),
    ));
  }
  return item;
};
export const showExports = async () => part('exports').replaceChildren(...(await api('GET', '/exports')).map(exportItem));

export const fillFormats = async () => {
  const found = await api('GET', '/exports/formats');
  formats = found.formats;
  order.format.replaceChildren(...formats.map(({ name }) => new Option(name, name)));
  order.container.replaceChildren(...found.containers.map((name) => new Option(name, name)));
  part('bring').format.append(...formats.map(({ name }) => new Option(name, name)));
  order.format.value = 'trl';
  order.container.value = 'jsonl';
  asUsual();
  allowed();
  await showPreview();
};

let previewPause = 0;
order.addEventListener('input', ({ target }) => {
  if (target === order.format) asUsual();
  allowed();
  clearTimeout(previewPause);
  previewPause = setTimeout(showPreview, PREVIEW_PAUSE_MS);
});
order.addEventListener('submit', (event) => event.preventDefault());
onPress(action('export'), async () => {
  await follow(await api('POST', '/exports', wanted()), 'export');
  await showExports();
  say(t('The file is ready.'));
});
action('publish').addEventListener('click', () => question({
  title: t('Publish on the Hugging Face hub?'),
  words: t('The dataset goes there with a card, as a private repository, by the token of the server.'),
  yes: t('Publish'),
  reason: t('Repository, as owner/name'),
  work: async (repo) => {
    await follow(await api('POST', '/exports/publish', { ...wanted(), repo: repo.trim() }), 'export');
    await showExports();
    say(t('The dataset is published.'));
  },
}));
