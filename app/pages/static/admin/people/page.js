// The page on people: accounts and invites.
import { onSubmit } from '../../shared/ask.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, button, copyFrom, count, day, moment, part, question, say } from '../shared/admin.js';
import { showActs } from './actions.js';

const showLink = (title, path) => {
  part('made-title').textContent = title;
  part('link').textContent = new URL(path, location.origin).href;
  action('copy').textContent = t('Copy');
  part('made').hidden = false;
  part('made').scrollIntoView({ block: 'nearest' });
};

const personAct = async (person, act, body) => {
  const said = await api('POST', `/people/${person.id}/${act}`, body);
  await Promise.all([showPeople(), showActs()]);
  return said;
};

const makeLink = async (person) => {
  const { path } = await personAct(person, 'link', { days: 1 });
  showLink(t('This link signs {login} in once, within a day. It is not shown again.', person), path);
};
const signOut = async (person) => {
  const { ended } = await personAct(person, 'sign-out');
  say(ended ? t('{login} was signed out: {count} sessions ended.', { login: person.login, count: ended }) : t('{login} was not signed in.', person));
};
const disable = (person) => question({
  title: t('Disable {login}?', person),
  words: t('They are signed out at once and cannot sign in. What they judged stays and goes on counting; to leave it out of rounds, quarantine them on the quality page.'),
  yes: t('Disable'),
  work: async () => personAct(person, 'disable'),
});
const enable = async (person) => {
  await personAct(person, 'enable');
  say(t('{login} may sign in again.', person));
};

const roleSelect = (person) => {
  const select = element('select', '', new Option(t('annotator'), 'annotator'), new Option(t('admin'), 'admin'));
  select.value = person.role;
  select.setAttribute('aria-label', t('Role of {login}', person));
  select.addEventListener('change', async () => {
    try {
      await personAct(person, 'role', { role: select.value });
      say(select.value === 'admin' ? t('{login} is an admin now.', person) : t('{login} is an annotator now.', person));
    } catch (error) {
      select.value = person.role;
      say(error.message, 'warn');
    }
  });
  return select;
};

const cell = (name, content, className = '') => {
  const made = element('td', className, content);
  if (name) made.dataset.name = name;
  return made;
};

const actionsOf = (person) => {
  if (person.disabled_at !== null) return element('div', '', button(t('Enable'), () => enable(person)));
  return element(
    'div', '',
    button(t('Sign-in link'), () => makeLink(person)),
    button(t('Sign out'), () => signOut(person)),
    button(t('Disable'), async () => disable(person)),
  );
};

const personRow = (person, { judgments, judged_at: judged, signed_in_at: seen }) => {
  const pseudonym = element('a', '', person.pseudonym);
  pseudonym.href = `/admin/lineage/?${new URLSearchParams({ person: person.pseudonym })}`;
  const name = element('th', '', element('b', '', person.login), element('span', '', pseudonym));
  name.scope = 'row';
  if (person.disabled_at !== null) name.firstChild.append(element('i', 'people-out', t('disabled')));
  const actions = actionsOf(person);
  for (const each of actions.children) each.setAttribute('aria-label', `${each.textContent}: ${person.login}`);
  const row = element(
    'tr', '', name,
    cell(t('Role'), roleSelect(person)),
    cell(t('Judgments'), count(judgments), 'num'),
    cell(t('Last judged'), day(judged)),
    cell(t('Last signed in'), day(seen)),
    cell(t('Added'), day(person.created_at)),
    cell('', actions),
  );
  row.dataset.login = person.login;
  row.dataset.state = person.disabled_at === null ? 'enabled' : 'disabled';
  return row;
};

const showPeople = async () => {
  const [people, activities] = await Promise.all([api('GET', '/people'), api('GET', '/people/activity')]);
  const active = new Map(activities.map((one) => [one.annotator_id, one]));
  const rows = people.filter(({ id }) => active.has(id)).map((person) => personRow(person, active.get(person.id)));
  part('people').replaceChildren(...rows);
};

const inviteItem = (invite) => {
  const text = element('div', 'admin-text', element('b', '', invite.role === 'admin' ? t('Pending admin invite') : t('Pending annotator invite')));
  text.append(element('span', '', t('created {since}, expires {until}', { since: moment(invite.created_at), until: moment(invite.expires_at) })));
  const withdraw = async () => {
    await api('DELETE', `/people/invites/${invite.id}`);
    part('made').hidden = true;
    await Promise.all([showInvites(), showActs()]);
  };
  return element('li', '', text, button(t('Withdraw'), withdraw));
};
const showInvites = async () => {
  const open = (await api('GET', '/people/invites')).filter(({ spent_at: spent, expires_at: until }) => spent === null && until > Date.now());
  part('invites').replaceChildren(...open.map(inviteItem));
};

onSubmit(part('invite'), async () => {
  const { role, days } = part('invite');
  const { path } = await api('POST', '/people/invites', { role: role.value, days: Number(days.value) });
  showLink(t('Send this link to one person. It is not shown again.'), path);
  await Promise.all([showInvites(), showActs()]);
});
copyFrom(part('link'), action('copy'));
begin(showPeople, showInvites, showActs);
