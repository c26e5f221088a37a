// The page on versions: what serves, what served when, the tree of all, and what can be done with each.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, button, count, day, moment, onPress, part, percent, question, say } from '../shared/admin.js';
import { drawCourse, drawLadder, drawMatch } from './charts.js';

const STANDINGS = {
  serves: t('serving'), on_trial: t('in trial'), waits: t('awaiting decision'), served: t('previously served'),
  refused: t('rejected'), retired: t('retired'), unused: t('never served'),
};
const RULINGS = {
  wait: t('left to an admin'), try: t('put on trial'), promote: t('promoted'), refuse: t('rejected'),
  roll_back: t('rolled back'), retire: t('retired'),
};

const decide = (name, act, { title, words, yes, said }) => question({
  title,
  words,
  yes,
  reason: t('Reason (kept in the audit log)'),
  work: async (reason) => {
    await api('POST', act, { reason });
    await showVersions();
    say(said ?? t('{version}: done.', { version: name }));
  },
});
const promote = ({ name }) => decide(name, `/adapters/${name}/promote`, {
  title: t('Serve {version}?', { version: name }),
  words: t('It is verified and loaded, then it answers in place of what serves now. Nobody has to wait.'),
  yes: t('Promote'),
  said: t('{version} serves now', { version: name }),
});
const refuse = ({ name }) => decide(name, `/adapters/${name}/refuse`, {
  title: t('Reject {version}?', { version: name }),
  words: t('It will no longer be put in trial or promoted automatically. You can still promote it later.'),
  yes: t('Reject'),
});
const putOnTrial = ({ name }) => decide(name, `/adapters/${name}/try`, {
  title: t('Start an A/B trial of {version}?', { version: name }),
  words: t('Annotators compare it, blind, with what serves. Their votes decide whether it takes over.'),
  yes: t('Start A/B trial'),
});
const retire = ({ name }) => decide(name, `/adapters/${name}/retire`, {
  title: t('Retire {version}?', { version: name }),
  words: t('It can never serve again. Its files stay, and so does all that it wrote.'),
  yes: t('Retire'),
});
const rollBack = () => question({
  title: t('Roll back?'),
  words: t('The previously served version serves again, and the one serving now is rejected.'),
  yes: t('Roll back'),
  reason: t('Reason (kept in the audit log)'),
  work: async (reason) => {
    const { champion } = await api('POST', '/adapters/roll-back', { reason });
    await showVersions();
    say(t('{version} serves now', { version: champion }));
  },
});

const CAN = {
  serves: [], retired: [], on_trial: [promote, refuse, retire], waits: [promote, putOnTrial, refuse, retire],
  served: [promote, putOnTrial, retire], unused: [promote, putOnTrial, refuse, retire], refused: [promote, putOnTrial, retire],
};
const WORDS = new Map([[promote, t('Promote')], [putOnTrial, t('Start A/B trial')], [refuse, t('Reject')], [retire, t('Retire')]]);
const actionsOf = (version) => {
  const acts = CAN[version.standing].filter((act) => version.name !== 'base' || act === promote);
  const buttons = acts.map((act) => button(WORDS.get(act), async () => act(version)));
  for (const made of buttons) made.setAttribute('aria-label', `${made.textContent}: ${version.name}`);
  if (version.sha256) {
    const link = element('a', 'pl-button', t('Download'));
    link.href = `/api/v1/adapters/${version.name}/files`;
    link.setAttribute('aria-label', `${t('Download')}: ${version.name}`);
    buttons.push(link);
  }
  return element('div', 'admin-buttons', ...buttons);
};

const originWords = ({ round, created_at: at }, rounds) => {
  if (round === null) return [day(at)];
  const link = element('a', '', t('Round {round}', { round }));
  link.href = `/admin/rounds/?round=${round}`;
  const made = rounds.get(round);
  const pairs = made && (made.train === 1 ? t('1 pair') : t('{count} pairs', { count: count(made.train) }));
  const accuracy = made && made.accuracy !== null && t('{share} held out', { share: percent(made.accuracy) });
  return [link, ` · ${[pairs, accuracy, day(at)].filter(Boolean).join(' · ')}`];
};

const decisionItem = ({ ruling, reason, by, created_at: at }) => element('li', '', element('b', '', RULINGS[ruling]), ` ${moment(at)}${by ? ` · ${by}` : ''} · ${reason}`);
const versionItem = (version, rounds, children) => {
  const lineage = element('a', '', version.name);
  lineage.href = `/admin/lineage/?${new URLSearchParams({ version: version.name })}`;
  const name = element('b', '', lineage);
  const chip = element('i', `versions-chip ${version.standing}`, STANDINGS[version.standing]);
  const text = element('div', 'admin-text', element('div', 'versions-name', name, chip), element('span', '', ...originWords(version, rounds)));
  if (version.old_format) text.append(element('p', '', t('Trained in another prompt format than the one of today.')));
  const latest = version.decisions.at(-1);
  if (latest) text.append(element('p', '', `${RULINGS[latest.ruling]}: ${latest.reason}`));
  if (version.decisions.length > 1) {
    const all = element('ul', 'versions-decisions', ...version.decisions.map(decisionItem));
    text.append(element('details', '', element('summary', '', t('All {count} decisions', { count: version.decisions.length })), all));
  }
  const item = element('li', '', element('div', 'versions-item', text, actionsOf(version)));
  item.dataset.name = version.name;
  item.dataset.standing = version.standing;
  if (children.length) item.append(element('ul', '', ...children));
  return item;
};
const branch = (versions, rounds, parent) => versions.filter((version) => version.parent === parent)
  .map((version) => versionItem(version, rounds, branch(versions, rounds, version.name)));

// The rounds that made these versions, by id; they come a page at a time, newest first.
const roundsBehind = async (versions) => {
  const oldest = Math.min(...versions.map(({ round }) => round ?? Infinity));
  const rounds = new Map();
  let before = null;
  while (oldest < (before ?? Infinity)) {
    const older = await api('GET', `/rounds/records${before === null ? '' : `?before=${before}`}`);
    if (!older.length) break;
    for (const round of older) rounds.set(round.id, round);
    before = older.at(-1).id;
  }
  return rounds;
};

const showVersions = async () => {
  const [{ champion, versions }, match, rungs] = await Promise.all([api('GET', '/adapters'), api('GET', '/trial'), api('GET', '/ladder')]);
  const rounds = await roundsBehind(versions);
  const serving = versions.find(({ name }) => name === champion);
  part('serving').textContent = champion;
  const now = serving.servings.at(-1);
  part('why').textContent = t('since {since}: {reason}', { since: moment(now.since), reason: now.reason });
  action('roll-back').hidden = !versions.some(({ standing }) => standing === 'served');
  drawMatch(match);
  drawLadder(rungs);
  drawCourse(versions);
  part('tree').replaceChildren(...branch(versions, rounds, null));
};

onPress(action('roll-back'), async () => rollBack());
begin(showVersions);
