// The pictures of the overview; each says its numbers aloud.
import { bar, inTime, percentOf, plot } from '../../shared/charts.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { count, dates, moment, percent } from '../shared/admin.js';
import { ROUND_STATES } from '../shared/round_states.js';

const HALF = 0.5; // a coin's share
const GOOD = [0.63, 0.81]; // how far good crowds agree
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export const dayBars = (days) => {
  const most = Math.max(1, ...days.map(({ judgments }) => judgments));
  return days.map(({ day: when, judgments, people }) => bar(
    judgments / most, judgments ? '' : 'none',
    t('{day}: {judgments} by {people} people', { day: dates.format(new Date(`${when}T12:00`)), judgments: count(judgments), people: count(people) }),
  ));
};

// Rounds side by side; the line is a coin's share.
export const roundBars = (rounds) => rounds.map((round) => {
  const share = percent(round.accuracy);
  const label = t('round {round}, {state}: {share}', { round: round.id, state: ROUND_STATES[round.state], share });
  const column = element('div', 'overview-round', element('span', '', share), bar(round.accuracy ?? 0, `overview-bar ${round.state}`, label), element('b', '', String(round.id)), element('small', '', ROUND_STATES[round.state]));
  column.dataset.state = round.state;
  return column;
});

export const agreementPlot = (course) => {
  const x = inTime(course.map(({ ended_at: ms }) => ms));
  const points = course.map(({ ended_at: ms, agreement, low, high, items }, i) => ({
    x: x[i], value: agreement, low, high,
    words: t('{when}: {share} on {pairs} pairs, from {low} to {high}', { when: moment(ms), share: percent(agreement), pairs: count(items), low: percent(low), high: percent(high) }),
  }));
  const label = t('Agreement over time: {first} at first, {last} now', { first: percent(course[0].agreement), last: percent(course.at(-1).agreement) });
  return plot(label, points, { ticks: TICKS, band: GOOD });
};

// Versions in the order they were made; the line is a coin's share, where the base stands.
export const strengthPlot = (strengths, champion) => {
  const points = strengths.map(({ version, win_rate: value, low, high }, i) => ({
    x: (i + 0.5) / strengths.length, value, low, high, className: version === champion ? 'serves' : '',
    words: t('{version}: {share}, from {low} to {high}', { version, share: percent(value), low: percent(low), high: percent(high) }),
  }));
  return plot(points.map(({ words }) => words).join('; '), points, { ticks: TICKS, mark: HALF });
};

// The names of versions below their points, as many as there is room for.
const MOST_NAMES = 10;
export const strengthNames = (strengths, champion) => {
  const every = Math.ceil(strengths.length / MOST_NAMES);
  return strengths.map(({ version }, i) => {
    const name = element('span', version === champion ? 'serves' : '', version.replace(/^round-0*/, ''));
    name.style.left = percentOf((i + 0.5) / strengths.length);
    name.hidden = (strengths.length - 1 - i) % every !== 0;
    return name;
  });
};
