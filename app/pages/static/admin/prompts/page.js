// The page on prompts: where they came from, a file to add, and a list to find, edit and retire them in.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, button, count, day, inItsDirection, onPress, part, question, say } from '../shared/admin.js';

const PAGE = 50;
const PAUSE_MS = 250;
const SPLITS = { train: t('train'), heldout: t('held out') };
const WHO = { system: t('System'), user: t('User'), assistant: t('Model') };

const drawSources = (sources) => part('sources').replaceChildren(...sources.map(({ source, train, heldout, retired }) => {
  const all = train + heldout;
  const bar = element('div', 'prompts-bar', element('i', ''));
  bar.firstChild.style.width = `${(100 * train) / all}%`;
  const words = t('{train} train, {heldout} held out', { train: count(train), heldout: count(heldout) });
  const gone = retired ? ` · ${t('{count} retired', { count: count(retired) })}` : '';
  return element('div', '', element('b', '', source), element('span', '', `${words}${gone}`), bar);
}));

const changed = async (words) => {
  await Promise.all([showSources(), showList()]);
  say(words);
};

// The question's field holds the prompt as it is, to be changed.
const edit = (prompt) => {
  question({
    title: t('Edit the prompt'),
    words: t('The new text is a prompt of its own, in the same split; the old one is retired. What was judged of it stays.'),
    yes: t('Save'),
    reason: t('Last user message'),
    work: async (text) => {
      await api('POST', `/prompts/${prompt.id}/edit`, { text });
      await changed(t('The prompt has been changed.'));
    },
  });
  part('dialog').querySelector('textarea').value = prompt.messages.at(-1).content;
};
const retire = (prompt) => question({
  title: t('Retire this prompt?'),
  words: t('It will no longer be sampled, and its pairs that nobody has judged are withdrawn. This cannot be undone.'),
  yes: t('Retire the prompt'),
  work: async () => {
    await api('POST', `/prompts/${prompt.id}/retire`);
    await changed(t('The prompt is retired.'));
  },
});

const promptItem = (prompt) => {
  const last = inItsDirection(element('b', '', prompt.messages.at(-1).content));
  const before = prompt.messages.slice(0, -1);
  const facts = [SPLITS[prompt.split], prompt.author ?? prompt.source, t('{count} pairs', { count: count(prompt.pairs) }), t('{count} judgments', { count: count(prompt.judgments) }), day(prompt.created_at)];
  if (prompt.retired_at !== null) facts.push(t('retired'));
  const text = element('div', 'admin-text', last, element('span', '', facts.join(' · ')));
  if (before.length) {
    const turns = before.map(({ role, content }) => element('p', '', element('b', '', WHO[role]), ' ', inItsDirection(element('span', '', content))));
    text.append(element('details', '', element('summary', '', t('The conversation before')), ...turns));
  }
  const item = element('li', '', text);
  item.dataset.id = prompt.id;
  item.dataset.split = prompt.split;
  if (prompt.retired_at === null) {
    item.append(element('div', 'admin-buttons', button(t('Edit'), async () => edit(prompt)), button(t('Retire'), async () => retire(prompt))));
  }
  return item;
};

const askPage = (before) => {
  const { words, split, retired } = part('filter');
  const query = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of Object.entries({ words: words.value.trim(), split: split.value, retired: retired.value, before })) {
    if (value) query.set(name, value);
  }
  return api('GET', `/prompts/list?${query}`);
};
const showPage = (prompts) => {
  part('list').append(...prompts.map(promptItem));
  action('more').hidden = prompts.length < PAGE;
  part('none').hidden = part('list').children.length > 0;
};
let asked = 0;
const showList = async () => {
  asked += 1;
  const mine = asked;
  const prompts = await askPage();
  if (mine !== asked) return; // somebody has typed on
  part('list').replaceChildren();
  showPage(prompts);
};
const showSources = async () => drawSources(await api('GET', '/prompts/sources'));

const addFile = async (file) => {
  if (!file) return;
  try {
    const { added, known } = await api('POST', '/prompts/file', { name: file.name, text: await file.text() });
    await changed(t('{file}: {added} prompts added, {known} were there already.', { file: file.name, added: count(added), known: count(known) }));
  } catch (error) {
    say(error.message, 'warn');
  }
};
part('file').addEventListener('change', async ({ target }) => {
  await addFile(target.files[0]);
  target.value = '';
});
for (const name of ['dragover', 'dragleave', 'drop']) {
  part('drop').addEventListener(name, (event) => {
    event.preventDefault();
    part('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') addFile(event.dataTransfer.files[0]);
  });
}

let pause = 0;
part('filter').addEventListener('input', () => {
  clearTimeout(pause);
  pause = setTimeout(() => showList().catch((error) => say(error.message, 'warn')), PAUSE_MS);
});
part('filter').addEventListener('submit', (event) => event.preventDefault());
onPress(action('more'), async () => showPage(await askPage(part('list').lastElementChild.dataset.id)));
begin(showSources, showList);
