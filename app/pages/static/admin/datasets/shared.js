// What taking out and bringing in have in common: rows as people read them, and long work with how far it is.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { api, count, inItsDirection, part } from '../shared/admin.js';

const LOOK_AGAIN_MS = 400;

const cellText = (value) => {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') return value;
  const turns = Array.isArray(value) ? value : [value];
  const spoken = turns.map((turn) => [turn?.role ?? turn?.from, turn?.content ?? turn?.value]);
  if (spoken.length && spoken.every(([who, words]) => who && typeof words === 'string')) return spoken.map((one) => one.join(': ')).join('\n');
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) return value.join(', ') || '–';
  return JSON.stringify(value);
};
export const rowCard = (row) => {
  const cells = Object.entries(row).flatMap(([name, value]) => [element('dt', '', name), inItsDirection(element('dd', '', cellText(value)))]);
  return element('div', 'datasets-row', element('dl', '', ...cells));
};

// Waits until long work has ended, and shows how far it is; throws an Error with words when nothing came of it.
export const follow = async (errand, name) => {
  const shown = part(`${name}-progress`);
  const [bar, words] = shown.children;
  shown.hidden = false;
  try {
    let now = errand;
    while (now.state === 'waiting' || now.state === 'running') {
      bar.max = Math.max(now.of, 1);
      bar.value = now.done;
      words.textContent = now.state === 'waiting' ? t('Waits for other work to end') : t('{done} of {all}', { done: count(now.done), all: count(now.of) });
      await new Promise((resolve) => { setTimeout(resolve, LOOK_AGAIN_MS); });
      now = await api('GET', `/errands/${now.id}`);
    }
    if (now.result === null) throw new Error(t(now.reason.words, now.reason.values));
    return now.result;
  } finally {
    shown.hidden = true;
  }
};

export const link = (words, href) => {
  const made = element('a', 'pl-button', words);
  made.href = `/api/v1${href}`;
  made.download = '';
  return made;
};
