// The pictures of the overview, drawn with plain elements; each says its numbers aloud.
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

// Versions in the order they were made: a dot on its interval; the line is a coin's share.
const strengthMarks = (strengths) => strengths.map(({ version, win_rate: rate, low, high }) => {
  const whisker = element('i', 'whisker');
  whisker.style.bottom = `${100 * low}%`;
  whisker.style.height = `${100 * (high - low)}%`;
  const dot = element('i', 'dot');
  dot.style.bottom = `${100 * rate}%`;
  const mark = element('div', 'overview-mark', whisker, dot);
  mark.setAttribute('role', 'img');
  mark.setAttribute('aria-label', t('{version}: {share}, from {low} to {high}', { version, share: percent(rate), low: percent(low), high: percent(high) }));
  mark.title = mark.getAttribute('aria-label');
  return element('div', 'overview-round', element('span', '', percent(rate)), mark, element('small', '', version.replace(/^round-0*/, '')));
});
