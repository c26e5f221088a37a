// What the page on quality draws: where a factor stands, and agreement over time.
import { inTime, plot } from '../../shared/charts.js';
import { t } from '../../shared/words.js';
import { count, moment, percent } from '../shared/admin.js';

// A scale of doublings, from an eighth to eight; what is beyond stands at the edge.
const DOUBLINGS = 3;
export const onLog = (factor) => Math.min(1, Math.max(0, (Math.log2(factor) + DOUBLINGS) / (2 * DOUBLINGS)));

// Agreement over time, with the band where good crowds are.
const LEAST = 0.4;
const GOOD = [0.63, 0.81];
const TICKS = [0.4, 0.6, 0.8, 1];
export const courseChart = (course) => {
  const x = inTime(course.map(({ ended_at: ms }) => ms));
  const label = t('Agreement over time: {first} at first, {last} now', { first: percent(course[0].agreement), last: percent(course.at(-1).agreement) });
  const points = course.map((span, i) => ({
    x: x[i],
    value: span.agreement,
    words: t('{when}: {share} on {pairs} pairs', { when: moment(span.ended_at), share: percent(span.agreement), pairs: count(span.items) }),
  }));
  return plot(label, points, { ticks: TICKS, least: LEAST, band: GOOD, radius: 4.5, className: 'course' });
};
