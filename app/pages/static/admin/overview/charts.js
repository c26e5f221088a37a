// The pictures of the overview; each says its numbers aloud.
const at = (share) => `${(100 * share).toFixed(2)}%`;
const line = (x1, y1, x2, y2, className) => svg('line', { x1, y1, x2, y2, class: className });
const HALF = 0.5; // a coin's share
const GOOD = [0.63, 0.81]; // how far good crowds agree

const bar = (share, className, label) => {
  const drawn = element('div', className);
  const filled = element('i', '');
  filled.style.height = `${100 * share}%`;
  drawn.append(filled);
  drawn.title = label;
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', label);
  return drawn;
};

const dayBars = (days) => {
  const most = Math.max(1, ...days.map(({ judgments }) => judgments));
  return days.map(({ day: when, judgments, people }) => bar(
    judgments / most, judgments ? '' : 'none',
    t('{day}: {judgments} by {people} people', { day: dates.format(new Date(`${when}T12:00`)), judgments: count(judgments), people: count(people) }),
  ));
};

// Rounds side by side; the line is a coin's share.
const roundBars = (rounds) => rounds.map((round) => {
  const share = percent(round.accuracy);
  const label = t('round {round}, {state}: {share}', { round: round.id, state: ROUND_STATES[round.state], share });
  const column = element('div', 'overview-round', element('span', '', share), bar(round.accuracy ?? 0, `overview-bar ${round.state}`, label), element('b', '', String(round.id)), element('small', '', ROUND_STATES[round.state]));
  column.dataset.state = round.state;
  return column;
});

// Shares from 0 to 1, from left to right, each on its interval. A point: {x, value, low, high, words, className}.
const plot = (label, points, { mark, band } = {}) => {
  const picture = svg('svg', { role: 'img', 'aria-label': label });
  const y = (share) => at(1 - share);
  if (band) picture.append(svg('rect', { x: 0, width: '100%', y: y(band[1]), height: at(band[1] - band[0]), class: 'band' }));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) picture.append(line('0', y(share), '100%', y(share), share === mark ? 'mark' : 'grid'));
  for (const { x, low, high } of points) picture.append(line(at(x), y(low), at(x), y(high), 'interval'));
  for (const [i, { x, value }] of points.entries()) {
    if (i) picture.append(line(at(points[i - 1].x), y(points[i - 1].value), at(x), y(value), 'curve'));
  }
  for (const { x, value, words, className = '' } of points) {
    const point = svg('circle', { cx: at(x), cy: y(value), r: 5.5, class: className });
    const title = svg('title');
    title.textContent = words;
    point.append(title);
    picture.append(point);
  }
  return picture;
};

// What lies where in time, in 0-1; one alone stands in the middle.
const inTime = (moments) => {
  const [from, to] = [moments[0], moments.at(-1)];
  return moments.map((ms) => (to > from ? (ms - from) / (to - from) : 0.5));
};

const agreementPlot = (course) => {
  const x = inTime(course.map(({ ended_at: ms }) => ms));
  const points = course.map(({ ended_at: ms, agreement, low, high, items }, i) => ({
    x: x[i], value: agreement, low, high,
    words: t('{when}: {share} on {pairs} pairs, from {low} to {high}', { when: moment(ms), share: percent(agreement), pairs: count(items), low: percent(low), high: percent(high) }),
  }));
  const label = t('Agreement over time: {first} at first, {last} now', { first: percent(course[0].agreement), last: percent(course.at(-1).agreement) });
  return plot(label, points, { band: GOOD });
};

// Versions in the order they were made; the line is a coin's share, where the base stands.
const strengthPlot = (strengths, champion) => {
  const points = strengths.map(({ version, win_rate: value, low, high }, i) => ({
    x: (i + 0.5) / strengths.length, value, low, high, className: version === champion ? 'serves' : '',
    words: t('{version}: {share}, from {low} to {high}', { version, share: percent(value), low: percent(low), high: percent(high) }),
  }));
  return plot(points.map(({ words }) => words).join('; '), points, { mark: HALF });
};

// The names of versions below their points, as many as there is room for.
const MOST_NAMES = 10;
const strengthNames = (strengths, champion) => {
  const every = Math.ceil(strengths.length / MOST_NAMES);
  return strengths.map(({ version }, i) => {
    const name = element('span', version === champion ? 'serves' : '', version.replace(/^round-0*/, ''));
    name.style.left = at((i + 0.5) / strengths.length);
    name.hidden = (strengths.length - 1 - i) % every !== 0;
    return name;
  });
};
