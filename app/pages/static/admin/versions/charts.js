// What the page on versions draws: the match that runs, the ladder, what served when. Each picture says its numbers aloud.
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
  part('match-trouble').textContent = match.trouble === null ? '' : t('No pairs of the two can be made: {why}', { why: match.trouble });
  part('match').querySelector('.versions-plot').hidden = match.course.length < 2;
  part('match-ends').hidden = match.course.length < 2;
  if (match.course.length < 2) return;
  part('match-chart').replaceChildren(matchChart(match));
  const last = element('span', '', t('{count} votes', { count: count(match.course.at(-1).votes) }));
  part('match-ends').replaceChildren(element('span', '', t('the first vote')), last);
};
const matchWords = ({ trial, outcome, better, worse, threshold, most_votes: most }) => {
  const strength = t('Evidence {better} for it and {worse} against it, of {threshold} that settle it.', { better: decimal(better), worse: decimal(worse), threshold });
  if (trial) return `${t('On trial.')} ${strength} ${t('If {count} votes do not, it is left to an admin.', { count: count(most) })}`;
  return outcome === 'open' ? `${t('It serves, and is measured against the version before.')} ${strength}` : `${outcome === 'better' ? t('It serves, and has proved better than the version before.') : t('It serves, and has proved worse than the version before.')}`;
};
const matchChart = ({ course, win_rate: rate }) => {
  const last = course.at(-1).votes;
  const x = (votes) => (100 * votes) / last;
  const y = (share) => 100 - 100 * share;
  const shape = (points) => points.map(([at, share]) => `${x(at).toFixed(2)},${y(share).toFixed(2)}`).join(' ');
  const band = [...course.map(({ votes, high }) => [votes, high]), ...[...course].reverse().map(({ votes, low }) => [votes, low])];
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
