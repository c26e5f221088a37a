// Known pairs on the page on quality: those there are, those that could be, and one to write.
import { onSubmit } from '../../shared/ask.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { api, button, count, inItsDirection, part, question, reasoningBox, say } from '../shared/admin.js';

export const asked = (messages) => messages.at(-1).content;
const answersOf = ({ a, b, choice, reasoning_a: ofA, reasoning_b: ofB }) => {
  const box = (text, thought, wins) => inItsDirection(element('div', wins ? 'wins' : '', ...reasoningBox(thought), text));
  return element('div', 'quality-answers', box(a, ofA, choice === 'a'), box(b, ofB, choice === 'b'));
};
const expectedWords = { a: t('The first one is better'), b: t('The second one is better'), tie: t('Neither is better'), both_bad: t('Both are bad') };

const pairItem = (pair, words, acting) => {
  const text = element('div', 'admin-text', inItsDirection(element('b', '', asked(pair.messages))), answersOf(pair), element('span', '', words));
  if (pair.explanation) text.append(element('p', '', pair.explanation));
  return element('li', '', text, ...(acting ? [acting] : []));
};

const retireGold = (known) => question({
  title: t('Retire this gold pair?'),
  words: t('Its judgments still count. This cannot be undone.'),
  yes: t('Retire'),
  work: async () => {
    await api('POST', `/gold/${known.pair_id}/retire`);
    await showGold();
  },
});

const goldItem = (known) => {
  const done = known.judged ? t('{right} of {judged} people right', known) : t('nobody asked yet');
  const words = `${expectedWords[known.choice]} · ${done}${known.retired ? ` · ${t('retired')}` : ''}`;
  return pairItem(known, words, known.retired ? null : button(t('Retire'), async () => retireGold(known)));
};

const accept = async ({ pair_id: id, choice }) => {
  await api('POST', '/gold', { pair_id: id, choice });
  await showGold();
  say(t('It is a gold pair now, for those who have not judged it yet.'));
};
const candidateItem = (pair) => pairItem(pair, `${expectedWords[pair.choice]} · ${t('{votes} people say so', pair)}`, button(t('Make it gold'), () => accept(pair)));

export const showGold = async () => {
  const [known, candidates] = await Promise.all([api('GET', '/gold'), api('GET', '/gold/candidates')]);
  part('gold').replaceChildren(...known.map(goldItem));
  part('gold-none').hidden = known.length > 0;
  part('candidates').replaceChildren(...candidates.map(candidateItem));
  part('candidates-panel').hidden = candidates.length === 0;
  part('count-gold').textContent = count(known.filter(({ retired }) => !retired).length);
};

onSubmit(part('write'), async () => {
  const form = part('write');
  const written = Object.fromEntries(['prompt', 'good', 'bad', 'explanation'].map((name) => [name, form[name].value]));
  await api('POST', '/gold/written', written);
  form.reset();
  await showGold();
  say(t('Added. Annotators will meet it among their other pairs.'));
});
