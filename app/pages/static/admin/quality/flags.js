// What annotators flagged, on the page on quality.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { api, button, count, inItsDirection, moment, part, question } from '../shared/admin.js';
import { asked } from './gold.js';
import { FLAGS } from './words.js';

const retirePrompt = (flagged) => question({
  title: t('Retire this prompt?'),
  words: t('It will no longer be sampled, and its pairs that nobody has judged are withdrawn. This cannot be undone.'),
  yes: t('Retire the prompt'),
  work: async () => {
    await api('POST', `/prompts/${flagged.prompt_id}/retire`);
    await showFlags();
  },
});

const flagItem = (flagged) => {
  const who = element('span', '', `${flagged.pseudonym} · ${moment(flagged.created_at)}${flagged.retired ? ` · ${t('the prompt is retired')}` : ''}`);
  const text = element('div', 'admin-text', element('i', 'quality-flag', FLAGS[flagged.flag]), inItsDirection(element('b', '', asked(flagged.messages))));
  if (flagged.comment) text.append(element('p', '', flagged.comment));
  text.append(who);
  return element('li', '', text, ...(flagged.retired ? [] : [button(t('Retire the prompt'), async () => retirePrompt(flagged))]));
};

export const showFlags = async () => {
  const flags = await api('GET', '/flags');
  part('flags').replaceChildren(...flags.map(flagItem));
  part('flags-none').hidden = flags.length > 0;
  part('count-flags').textContent = count(flags.filter(({ retired }) => !retired).length);
};
