// The account page: who one is, where one is signed in, password, API tokens. Everything is asked of /api/v1/account.
import { askSignedIn, onSubmit, whilePressed } from '../shared/ask.js';
import { element, partsOf } from '../shared/dom.js';
import { lang, t } from '../shared/words.js';

const page = document.querySelector('.account');
const { part, action } = partsOf(page);
const dates = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'short' });
const date = (ms) => dates.format(new Date(ms));
const BROWSERS = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
const SYSTEMS = [['Windows', 'Windows'], ['Android', 'Android'], ['iPhone', 'iOS'], ['iPad', 'iPadOS'], ['Mac OS X', 'macOS'], ['CrOS', 'ChromeOS'], ['Linux', 'Linux']];
const named = (agent, names) => names.find(([mark]) => agent.includes(mark))?.[1];

const own = (method, path, body) => askSignedIn(method, `/api/v1/account${path}`, body);

// Runs what a button asks for and says what goes wrong at the top of the page.
const onClick = (button, work) => button.addEventListener('click', async () => {
  part('trouble').textContent = '';
  try {
    await whilePressed(button, work);
  } catch (error) {
    part('trouble').textContent = error.message;
    part('trouble').scrollIntoView({ block: 'nearest' });
  }
});

const browserOf = (agent) => {
  const browser = named(agent, BROWSERS);
  if (!browser) return agent.split('/')[0] || t('A program');
  return t('{browser} on {system}', { browser, system: named(agent, SYSTEMS) ?? t('an unknown system') });
};

const row = (session, title, button) => {
  const name = element('b', '', title);
  if (session.this) name.append(element('i', 'account-this', t('This one')));
  const times = { since: date(session.created_at), until: date(session.expires_at) };
  const words = element('div', '', name, element('span', 'pl-soft', t('Since {since}, expires {until}', times)));
  return element('li', '', words, ...(button ? [button] : []));
};

const ender = (session, words, title) => {
  const button = element('button', 'pl-button', words);
  button.type = 'button';
  button.setAttribute('aria-label', `${words}: ${title}`);
  return [button, async () => {
    await own('DELETE', `/sessions/${session.id}`);
    await showSessions();
  }];
};

const sessionRow = (session) => {
  const title = browserOf(session.agent);
  if (session.this) return row(session, title, null);
  const [button, end] = ender(session, t('Sign out'), title);
  onClick(button, end);
  return row(session, title, button);
};

// What a program uses cannot be given back: the first press only asks.
const tokenRow = (session) => {
  const [button, end] = ender(session, t('Revoke'), session.name);
  let asked = false;
  onClick(button, async () => {
    if (asked) return end();
    asked = true;
    button.textContent = t('Really revoke?');
    return null;
  });
  button.addEventListener('blur', () => {
    if (button.disabled) return; // pressed, not left
    asked = false;
    button.textContent = t('Revoke');
  });
  return row(session, session.name, button);
};

const showSessions = async () => {
  const all = await own('GET', '/sessions');
  const browsers = all.filter((session) => session.name === null).sort((a, b) => b.this - a.this);
  part('sessions').replaceChildren(...browsers.map(sessionRow));
  part('tokens').replaceChildren(...all.filter((session) => session.name !== null).map(tokenRow));
  action('end-others').hidden = !browsers.some((session) => !session.this);
};

const showAccount = async () => {
  const account = await own('GET', '');
  part('login').textContent = account.login;
  part('face').textContent = [...account.login][0].toUpperCase();
  part('pseudonym').textContent = t('Your judgments are kept under the pseudonym {pseudonym}.', account);
  part('password').username.value = account.login;
  part('current').hidden = !account.has_password;
  part('password').current.required = account.has_password;
  page.querySelector('[data-admin]').hidden = account.role !== 'admin';
};

onClick(action('sign-out'), async () => location.assign((await askSignedIn('POST', '/auth/logout')).next));
onClick(action('end-others'), async () => {
  await own('POST', '/sessions/end-others');
  await showSessions();
});
onClick(action('copy'), async () => {
  getSelection().selectAllChildren(part('token')); // where the clipboard is closed to pages, Ctrl+C is left
  await navigator.clipboard?.writeText(part('token').textContent).then(() => { action('copy').textContent = t('Copied'); }, () => {});
});
onSubmit(part('password'), async () => {
  part('changed').textContent = '';
  const form = part('password');
  await own('POST', '/password', { current: form.current.value, new: form.new.value });
  form.reset();
  part('changed').textContent = t('Changed. You are signed out everywhere else.');
  await Promise.all([showAccount(), showSessions()]);
});
onSubmit(part('make'), async () => {
  const form = part('make');
  const made = await own('POST', '/tokens', { name: form.name.value, days: Number(form.days.value) });
  part('token').textContent = made.token;
  part('made').hidden = false;
  action('copy').textContent = t('Copy');
  form.reset();
  await showSessions();
});
Promise.all([showAccount(), showSessions()]).then(
  () => { page.dataset.state = 'shown'; },
  (error) => { part('trouble').textContent = error.message; page.dataset.state = 'shown'; },
);
