// The overview: what wants a look, what serves and trains, how much is judged and how well, the rounds.
const ROUND_STATES = {
  queued: t('queued'), training: t('in training'), swapping: t('taking over'), waiting: t('waits to be decided on'),
  promoted: t('promoted'), refused: t('refused'), failed: t('failed'), cancelled: t('cancelled'),
};
const RUNNING = ['queued', 'training', 'swapping'];
const EVERY_MS = 20_000;

const tile = (name, value, words, href) => {
  const link = element('a', '', value);
  link.href = href;
  return element('div', '', element('dt', '', name), element('dd', '', link), element('p', '', words));
};
const roundTile = ({ rounds }) => {
  const last = rounds.at(-1);
  if (!last) return tile(t('Last round'), '–', t('There was none yet.'), '/admin/rounds/');
  const when = last.ended_at === null ? t('since {since}', { since: moment(last.created_at) }) : moment(last.ended_at);
  return tile(t('Round {round}', { round: last.id }), ROUND_STATES[last.state], when, `/admin/rounds/?round=${last.id}`);
};
const drawTiles = (all, quality) => {
  const week = all.days.slice(-7).reduce((sum, { judgments: given }) => sum + given, 0);
  part('tiles').replaceChildren(
    tile(t('Serving now'), all.champion, t('since {since}', { since: moment(all.serving_since) }), '/admin/versions/'),
    roundTile(all),
    tile(t('Judgments'), count(quality.judgments), t('{week} in the last seven days', { week: count(week) }), '/admin/quality/'),
    tile(t('Agreement'), percent(quality.agreement), t('on {pairs} pairs', { pairs: count(quality.shared) }), '/admin/quality/'),
    tile(t('Pairs ready'), `${count(all.ready)} / ${count(all.wanted)}`, all.trouble ? t('none can be made just now') : t('for the next who judge'), '/admin/'),
  );
};

const need = (words, href) => {
  const link = element('a', '', words);
  link.href = href;
  return element('li', '', link);
};
const drawNeeds = (all, quality) => {
  const last = all.rounds.at(-1);
  const found = quality.annotators.filter(({ findings, quarantine }) => findings.length && !quarantine);
  const needs = [
    ...all.waiting.map((version) => need(t('{version} waits to be decided on.', { version }), '/admin/versions/')),
    ...all.on_trial.map((version) => need(t('{version} is on trial: annotators compare it with what serves.', { version }), '/admin/versions/')),
    ...(last?.state === 'failed' ? [need(t('Round {round} failed: {reason}.', { round: last.id, reason: last.reason ?? '–' }), '/admin/')] : []),
    ...(last?.state === 'refused' ? [need(t('Round {round} is done, and its version is refused: {reason}', { round: last.id, reason: last.reason ?? '–' }), '/admin/versions/')] : []),
    ...(all.trouble ? [need(t('No new pairs for annotators: {why}', { why: all.trouble }), '/admin/')] : []),
    ...(all.match_trouble ? [need(t('The votes between two versions stand still, no pairs of them can be made: {why}', { why: all.match_trouble }), '/admin/versions/')] : []),
    ...(all.trigger_trouble ? [need(t('No round could start: {why}', { why: all.trigger_trouble }), '/admin/rounds/')] : []),
    ...(all.trial_trouble ? [need(t('What the votes decided could not be done: {why}', { why: all.trial_trouble }), '/admin/versions/')] : []),
    ...found.map((person) => need(`${person.pseudonym}: ${person.findings.map((finding) => FINDINGS[finding.kind](finding)).join(', ')}`, '/admin/quality/')),
    ...(all.flags ? [need(all.flags === 1 ? t('1 flag stands.') : t('{count} flags stand.', { count: count(all.flags) }), '/admin/quality/#flags')] : []),
  ];
  part('needs').hidden = needs.length === 0;
  part('fine').hidden = needs.length > 0;
  part('list').replaceChildren(...needs);
};

const showOverview = async () => {
  const offset = -new Date().getTimezoneOffset();
  const [all, quality] = await Promise.all([api('GET', `/overview?offset_minutes=${offset}`), api('GET', '/quality')]);
  drawNeeds(all, quality);
  drawTiles(all, quality);
  part('days').replaceChildren(...dayBars(all.days));
  part('days-first').textContent = dates.format(new Date(`${all.days[0].day}T12:00`));
  part('days-words').textContent = t('most: {most}', { most: count(Math.max(...all.days.map(({ judgments: given }) => given))) });
  part('strengths-panel').hidden = all.strengths.length === 0;
  part('strengths').replaceChildren(...strengthMarks(all.strengths));
  part('rounds-panel').hidden = all.rounds.length === 0;
  part('rounds').replaceChildren(...roundBars(all.rounds));
  page.dataset.running = all.rounds.some(({ state }) => RUNNING.includes(state));
};

setInterval(() => { if (!document.hidden) showOverview().catch(() => {}); }, EVERY_MS); // the next try tells
begin(showOverview);
