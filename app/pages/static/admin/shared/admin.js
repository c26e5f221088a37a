// What the admin's plain pages share: the API, parts of the page, numbers and dates as people read them, tabs, questions.
import { askSignedIn, onSubmit, whilePressed } from '../../shared/ask.js';
import { element, partsOf } from '../../shared/dom.js';
import { lang, t } from '../../shared/words.js';

export const page = document.querySelector('.admin');
export const { part, action } = partsOf(page);
export const api = (method, path, body) => askSignedIn(method, `/api/v1${path}`, body);

// Somebody's own text: right to left where it is.
export const inItsDirection = (node) => {
  node.dir = 'auto';
  return node;
};

// What was reasoned before an answer, folded away; nothing where it is null.
export const reasoningBox = (thought, tokens = null) => {
  if (thought === null) return [];
  const words = tokens === null ? t('Reasoning') : t('Reasoning, {count} tokens', { count: count(tokens) });
  return [element('details', 'admin-reasoning', element('summary', '', words), inItsDirection(element('p', '', thought)))];
};

export const dates = new Intl.DateTimeFormat(lang, { dateStyle: 'medium' });
const times = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'short' });
export const day = (ms) => (ms === null ? '–' : dates.format(new Date(ms)));
export const moment = (ms) => (ms === null ? '–' : times.format(new Date(ms)));
export const count = (number) => new Intl.NumberFormat(lang).format(number);
export const decimal = (number) => (number === null ? '–' : new Intl.NumberFormat(lang, { maximumFractionDigits: 2, minimumFractionDigits: 2 }).format(number));
export const percent = (share) => (share === null ? '–' : t('{share} %', { share: Math.round(100 * share) }));

export const say = (text, tone = 'ok') => {
  part('said').textContent = text;
  part('said').dataset.tone = tone;
  part('said').scrollIntoView({ block: 'nearest' });
};

// A button that works once at a time and says what goes wrong at the top of the page.
export const button = (words, work, className = 'pl-button') => {
  const made = element('button', className, words);
  made.type = 'button';
  onPress(made, work);
  return made;
};

export const onPress = (pressed, work) => pressed.addEventListener('click', async () => {
  say('');
  try {
    await whilePressed(pressed, work);
  } catch (error) {
    say(error.message, 'warn');
  }
});

// Asks first; `work` gets the reason, if one is asked for, and what goes wrong with it is said in the question.
let confirmed = async () => {};
export const question = ({ title, words, yes, reason, work }) => {
  part('dialog-title').textContent = title;
  part('dialog-words').textContent = words;
  part('dialog-yes').textContent = yes;
  part('dialog-field').hidden = !reason;
  part('dialog-label').textContent = reason ?? '';
  const form = part('dialog').querySelector('form');
  form.reason.value = '';
  form.reason.required = Boolean(reason);
  form.querySelector('[role="alert"]').textContent = '';
  confirmed = work;
  part('dialog').showModal();
};
onSubmit(part('dialog').querySelector('form'), async () => {
  await confirmed(part('dialog').querySelector('textarea').value);
  part('dialog').close();
});
action('dialog-no').addEventListener('click', () => part('dialog').close());

export const copyFrom = (node, pressed) => onPress(pressed, async () => {
  getSelection().selectAllChildren(node); // where the clipboard is closed to pages, Ctrl+C is left
  await navigator.clipboard?.writeText(node.textContent).then(() => { pressed.textContent = t('Copied'); }, () => {});
});

export const tabs = [...page.querySelectorAll('[role="tab"]')];
export const openTab = (tab) => {
  for (const other of tabs) {
    other.setAttribute('aria-selected', other === tab);
    other.tabIndex = other === tab ? 0 : -1;
    document.getElementById(other.getAttribute('aria-controls')).hidden = other !== tab;
  }
};
for (const [at, tab] of tabs.entries()) {
  tab.addEventListener('click', () => openTab(tab));
  tab.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });
}

// Shows the page once all has been asked for, or why it cannot be shown.
export const begin = async (...loads) => {
  try {
    await Promise.all(loads.map((load) => load()));
  } catch (error) {
    say(error.message, 'warn');
  }
  page.dataset.state = 'shown';
};
