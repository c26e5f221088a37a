// The page on versions: what serves, what served when, the tree of all, and what can be done with each.
const STANDINGS = {
  serves: t('serves'), on_trial: t('on trial'), waits: t('waits to be decided on'), served: t('served before'),
  refused: t('refused'), retired: t('retired'), unused: t('never served'),
};
const RULINGS = {
  wait: t('left to an admin'), try: t('put on trial'), promote: t('promoted'), refuse: t('refused'),
  roll_back: t('rolled back'), retire: t('retired'),
};

const decide = (name, act, { title, words, yes, said }) => question({
  title,
  words,
  yes,
  reason: t('Why, for those who ask later'),
  work: async (reason) => {
    await api('POST', act, { reason });
    await showVersions();
    say(said ?? t('{version}: it is done.', { version: name }));
  },
});
const promote = ({ name }) => decide(name, `/adapters/${name}/promote`, {
  title: t('Serve {version}?', { version: name }),
  words: t('It is verified and loaded, then it answers in place of what serves now. Nobody has to wait.'),
  yes: t('Promote'),
  said: t('{version} serves now', { version: name }),
});
const refuse = ({ name }) => decide(name, `/adapters/${name}/refuse`, {
  title: t('Refuse {version}?', { version: name }),
  words: t('It is not tried or promoted by itself any more. You can still promote it later.'),
  yes: t('Refuse'),
});
const putOnTrial = ({ name }) => decide(name, `/adapters/${name}/try`, {
  title: t('Put {version} on trial?', { version: name }),
  words: t('Annotators compare it, blind, with what serves. Their votes decide whether it takes over.'),
  yes: t('Put on trial'),
});
const retire = ({ name }) => decide(name, `/adapters/${name}/retire`, {
  title: t('Retire {version}?', { version: name }),
  words: t('It can never serve again. Its files stay, and so does all that it wrote.'),
  yes: t('Retire'),
});
const rollBack = () => question({
  title: t('Roll back?'),
  words: t('What served before serves again, and what serves now is refused.'),
  yes: t('Roll back'),
  reason: t('Why, for those who ask later'),
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
const WORDS = new Map([[promote, t('Promote')], [putOnTrial, t('Try')], [refuse, t('Refuse')], [retire, t('Retire')]]);
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

const decisionItem = ({ ruling, reason, by, created_at: at }) => element('li', '', element('b', '', RULINGS[ruling]), ` ${moment(at)}${by ? ` · ${by}` : ''} · ${reason}`);
const versionItem = (version, children) => {
  const name = element('b', '', version.name);
  const chip = element('i', `versions-chip ${version.standing}`, STANDINGS[version.standing]);
  const made = version.round === null ? day(version.created_at) : t('round {round}, {day}', { round: version.round, day: day(version.created_at) });
  const text = element('div', 'admin-text', element('div', 'versions-name', name, chip), element('span', '', made));
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
const branch = (versions, parent) => versions.filter((version) => version.parent === parent).map((version) => versionItem(version, branch(versions, version.name)));

const drawCourse = (versions) => {
  const served = versions.filter(({ servings }) => servings.length);
  part('course').hidden = served.length < 2;
  if (part('course').hidden) return;
  const from = Math.min(...served.flatMap(({ servings }) => servings.map(({ since }) => since)));
  const whole = Date.now() - from || 1;
  const share = (ms) => `${(100 * (ms - from)) / whole}%`;
  part('bars').replaceChildren(...served.map(({ name, servings }) => {
    const bars = servings.map(({ since, until, reason }) => {
      const bar = element('i', until === null ? 'now' : '');
      bar.style.left = share(since);
      bar.style.width = `max(3px, calc(${share(until ?? Date.now())} - ${share(since)}))`;
      bar.title = t('{since} to {until}: {reason}', { since: moment(since), until: until === null ? t('now') : moment(until), reason });
      return bar;
    });
    return element('div', '', element('span', '', name), element('div', '', ...bars));
  }));
  part('first').textContent = moment(from);
};

const percentOf = (share) => `${(100 * share).toFixed(2)}%`;
const drawMatch = (match) => {
  part('match').hidden = match === null;
  if (match === null) return;
  const { challenger, champion, wins, losses, undecided } = match;
  part('match-title').textContent = t('{challenger} against {champion}', { challenger, champion });
  part('match-votes').textContent = t('{wins} to {losses}, {undecided} for neither', { wins: count(wins), losses: count(losses), undecided: count(undecided) });
  part('match-words').textContent = match.win_rate === null
    ? t('Nobody has voted yet.')
    : [matchWords(match), t('It wins {rate} of the votes; {low} to {high} are not ruled out.', { rate: percent(match.win_rate), low: percent(match.low), high: percent(match.high) })].join(' ');
  part('match').querySelector('.versions-plot').hidden = match.course.length < 2;
  part('match-ends').hidden = match.course.length < 2;
  if (match.course.length < 2) return;
  part('match-chart').replaceChildren(matchChart(match));
  const last = element('span', '', t('{count} votes', { count: count(match.course.at(-1).votes) }));
  part('match-ends').replaceChildren(element('span', '', t('the first vote')), last);
};
const matchWords = ({ trial, outcome, better, worse, threshold }) => {
  const strength = t('Evidence {better} for it and {worse} against it, of {threshold} that settle it.', { better: decimal(better), worse: decimal(worse), threshold });
  if (trial) return `${t('On trial.')} ${strength}`;
  return outcome === 'open' ? `${t('It serves, and is measured against the version before.')} ${strength}` : `${outcome === 'better' ? t('It serves, and has proved better than the version before.') : t('It serves, and has proved worse than the version before.')}`;
};
const matchChart = ({ course, win_rate: rate }) => {
  const last = course.at(-1).votes;
  const x = (votes) => (100 * votes) / last;
  const y = (share) => 100 - 100 * share;
  const shape = (points) => points.map(([at, share]) => `${x(at).toFixed(2)},${y(share).toFixed(2)}`).join(' ');
  const band = [...course.map(({ votes, high }) => [votes, high]), ...[...course].reverse().map(({ votes, low }) => [votes, low])];
  const svg = (name, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const picture = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': t('Win rate as the votes came in: {rate} after {count}', { rate: percent(rate), count: count(last) }) });
  picture.append(
    svg('polygon', { points: shape(band), class: 'band' }),
    svg('line', { x1: 0, x2: 100, y1: 50, y2: 50, class: 'half' }),
    svg('polyline', { points: shape(course.map(({ votes, win_rate: share }) => [votes, share])), class: 'rate' }),
  );
  return picture;
};
const drawLadder = (rungs) => {
  part('ladder-panel').hidden = rungs.length < 2;
  const known = rungs.filter(({ elo }) => elo !== null);
  const least = Math.min(...known.map(({ low }) => low));
  const whole = Math.max(...known.map(({ high }) => high)) - least || 1;
  const at = (elo) => percentOf((elo - least) / whole);
  part('ladder').replaceChildren(...rungs.map(({ version, elo, low, high, votes }) => {
    const row = element('div', '', element('b', '', version));
    if (elo === null) return row.append(element('span', '', t('never met the others'))), row;
    const interval = element('i', '');
    interval.style.left = at(low);
    interval.style.width = percentOf((high - low) / whole);
    const point = element('u', '');
    point.style.left = at(elo);
    const words = t('{elo} ({low} to {high}), {count} votes', { elo: Math.round(elo), low: Math.round(low), high: Math.round(high), count: count(votes) });
    row.append(element('div', '', interval, point), element('span', '', words));
    return row;
  }));
};

const showVersions = async () => {
  const [{ champion, versions }, match, rungs] = await Promise.all([api('GET', '/adapters'), api('GET', '/trial'), api('GET', '/ladder')]);
  const serving = versions.find(({ name }) => name === champion);
  part('serving').textContent = champion;
  const now = serving.servings.at(-1);
  part('why').textContent = t('since {since}: {reason}', { since: moment(now.since), reason: now.reason });
  action('roll-back').hidden = !versions.some(({ standing }) => standing === 'served');
  drawMatch(match);
  drawLadder(rungs);
  drawCourse(versions);
  part('tree').replaceChildren(...branch(versions, null));
};

onPress(action('roll-back'), async () => rollBack());
begin(showVersions);
