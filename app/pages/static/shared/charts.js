// Pictures: axes, lines, intervals, bars. Shares and places are in 0-1, and drawn in percent, so that a picture fits
// wherever it stands. Each says its numbers aloud: `label`. How they look is said by the pages' styles.
import { element } from './dom.js';
import { t } from './words.js';

export const svg = (name, attributes = {}, words = '') => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (words) node.append(words);
  return node;
};
export const percentOf = (share) => `${(100 * share).toFixed(2)}%`;
const picture = (label, attributes) => svg('svg', { role: 'img', 'aria-label': label, ...attributes });
const rule = (x1, y1, x2, y2, className) => svg('line', { x1, y1, x2, y2, class: className });

// Straight across, at each of some values; `mark` is the one that values are held against.
const axis = (values, y, mark) => values.map((value) => rule('0', y(value), '100%', y(value), value === mark ? 'mark' : 'grid'));
// From point to point.
const line = (points) => points.slice(1).map(({ x, y }, i) => rule(points[i].x, points[i].y, x, y, 'curve'));
const dot = ({ x, y, words, className = '' }, r) => {
  const node = svg('circle', { cx: x, cy: y, r, class: className });
  if (words) node.append(svg('title', {}, words));
  return node;
};

// What lies where in time, in 0-1; one alone stands in the middle.
export const inTime = (moments) => {
  const [from, to] = [moments[0], moments.at(-1)];
  return moments.map((ms) => (to > from ? (ms - from) / (to - from) : 0.5));
};

// Shares from left to right, each on its interval if it has one: {x, value, low, high, words, className}.
// least: where the axis begins; band: from where to where it is shaded.
export const plot = (label, points, { ticks, least = 0, mark, band, radius = 5.5, className = 'plot' }) => {
  const y = (share) => percentOf(1 - (Math.max(least, share) - least) / (1 - least));
  const placed = points.map((point) => ({ ...point, x: percentOf(point.x), y: y(point.value) }));
  const drawn = picture(label, { class: className });
  if (band) drawn.append(svg('rect', { x: 0, width: '100%', y: y(band[1]), height: percentOf((band[1] - band[0]) / (1 - least)), class: 'band' }));
  drawn.append(...axis(ticks, y, mark));
  drawn.append(...placed.filter(({ low }) => low !== undefined).map(({ x, low, high }) => rule(x, y(low), x, y(high), 'interval')));
  drawn.append(...line(placed), ...placed.map((point) => dot(point, radius)));
  return drawn;
};

// One value with its interval, lying on a rail from 0 to 1; only the rail where nothing is known.
export const scale = (label, known) => {
  const drawn = picture(label, { class: 'scale', ...(known ? { 'data-tone': known.tone } : {}) });
  drawn.append(rule('0', '50%', '100%', '50%', 'rail'));
  if (!known) return drawn;
  const { value, low, high, mark } = known;
  drawn.append(rule(percentOf(mark), '0', percentOf(mark), '100%', 'mark'), rule(percentOf(low), '50%', percentOf(high), '50%', 'interval'));
  drawn.append(dot({ x: percentOf(value), y: '50%' }, 5));
  return drawn;
};

// Values from 0 to 1 one after the other, without axes; gaps where there is none.
export const spark = (label, values, { mark, tone }) => {
  const y = (value) => percentOf(0.92 - 0.84 * value);
  const known = values.map((value, i) => ({ value, x: percentOf(values.length > 1 ? i / (values.length - 1) : 0.5), y: y(value) }))
    .filter(({ value }) => value !== null);
  const drawn = picture(label, { class: 'spark', 'data-tone': tone });
  drawn.append(rule('0', y(mark), '100%', y(mark), 'mark'), ...line(known));
  if (known.length) drawn.append(dot(known.at(-1), 3.5));
  return drawn;
};

// A share that becomes surer as numbers grow, with a band of what is not ruled out: {x, value, low, high}, x in 0-1.
export const bandPlot = (label, points) => {
  const shape = (corners) => corners.map(([x, share]) => `${(100 * x).toFixed(2)},${(100 - 100 * share).toFixed(2)}`).join(' ');
  const upper = points.map(({ x, high }) => [x, high]);
  const lower = points.map(({ x, low }) => [x, low]);
  const drawn = picture(label, { viewBox: '0 0 100 100', preserveAspectRatio: 'none' });
  drawn.append(
    svg('polygon', { points: shape([...upper, ...lower.reverse()]), class: 'band' }),
    rule(0, 50, 100, 50, 'half'),
    svg('polyline', { points: shape(points.map(({ x, value }) => [x, value])), class: 'rate' }),
  );
  return drawn;
};

// A bar that stands, as high as its share.
export const bar = (share, className, label) => {
  const filled = element('i', '');
  filled.style.height = `${100 * share}%`;
  const drawn = element('div', className, filled);
  drawn.title = label;
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', label);
  return drawn;
};

// A value on a rail with its interval, as HTML; all three in 0-1.
export const railed = ({ value, low, high }) => {
  const [interval, point] = [element('i', ''), element('u', '')];
  interval.style.left = percentOf(low);
  interval.style.width = percentOf(high - low);
  point.style.left = percentOf(value);
  return element('div', '', interval, point);
};

// Rows of bars that lie in time, from a moment until now: {name, spans}, a span: {since, until, words}; until null: still.
export const timeline = (rows, from) => {
  const whole = Date.now() - from || 1;
  const share = (ms) => `${(100 * (ms - from)) / whole}%`;
  const piece = ({ since, until, words }) => {
    const lying = element('i', until === null ? 'now' : '');
    lying.style.left = share(since);
    lying.style.width = `max(3px, calc(${share(until ?? Date.now())} - ${share(since)}))`;
    lying.title = words;
    return lying;
  };
  return rows.map(({ name, spans }) => element('div', '', element('span', '', name), element('div', '', ...spans.map(piece))));
};

const WIDTH = 420;
const HEIGHT = 170;
const EDGE = { left: 44, right: 10, top: 10, bottom: 22 };
const RIGHT = WIDTH - EDGE.right;
const FLOOR = HEIGHT - EDGE.bottom;

const bounds = (values, { low, high, mark }) => {
  const all = mark === undefined ? values : [...values, mark];
  const least = low ?? Math.min(...all);
  const most = high ?? Math.max(...all);
  const room = most - least || Math.abs(most) || 1;
  return [low ?? least - 0.08 * room, high ?? most + 0.08 * room];
};

// The values of all curves where the pointer is, and a line there.
const readUnderPointer = (drawn, numbers, series, unit, x, end) => {
  const resting = numbers.textContent;
  const here = svg('line', { y1: EDGE.top, y2: FLOOR, class: 'pointer', visibility: 'hidden' });
  drawn.append(here);
  drawn.addEventListener('pointermove', ({ clientX }) => {
    const { left, width } = drawn.getBoundingClientRect();
    const wanted = ((((clientX - left) / width) * WIDTH - EDGE.left) / (RIGHT - EDGE.left)) * end;
    const nearest = ({ at }) => at.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(at[best] - wanted) ? i : best), 0);
    const place = x(Math.min(Math.max(wanted, 0), end));
    for (const [name, value] of Object.entries({ x1: place, x2: place, visibility: 'visible' })) here.setAttribute(name, value);
    numbers.replaceChildren(...series.map((one) => element('i', `look-${one.look}`, unit(one.mean[nearest(one)]))));
    if (series.length === 1) numbers.prepend(t('step {step}', { step: series[0].steps[nearest(series[0])] }), ' · ');
  });
  drawn.addEventListener('pointerleave', () => {
    here.setAttribute('visibility', 'hidden');
    numbers.textContent = resting;
  });
};

// Curves over each other, on axes with numbers. A series: {look, name, steps, at, values, mean}, `at` from 0 to `end`.
// One alone has a faint line of what was measured, too. low, high: where the axis ends, if not where the values do.
export const curves = (series, { title, unit, ...limits }, end, endWords) => {
  const [least, most] = bounds(series.flatMap(({ values, mean }) => (series.length > 1 ? mean : values)), limits);
  const x = (at) => EDGE.left + ((RIGHT - EDGE.left) * at) / end;
  const y = (value) => FLOOR - ((FLOOR - EDGE.top) * (value - least)) / (most - least);
  const path = (at, values, className) => svg('path', { class: className, d: values.map((value, i) => `${i ? 'L' : 'M'}${x(at[i]).toFixed(1)} ${y(value).toFixed(1)}`).join('') });
  const across = (value, className) => rule(EDGE.left, y(value), RIGHT, y(value), className);
  const numbers = series.map(({ name, mean }) => t('{name}: {value}', { name, value: unit(mean.at(-1)) })).join(', ');
  const drawn = picture(`${title}. ${numbers}`, { viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
  for (const value of [0, 0.5, 1].map((part) => least + part * (most - least))) {
    drawn.append(across(value, 'grid'), svg('text', { x: EDGE.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, unit(value)));
  }
  if (limits.mark !== undefined) drawn.append(across(limits.mark, 'mark'));
  drawn.append(svg('text', { x: EDGE.left, y: HEIGHT - 5 }, '0'), svg('text', { x: RIGHT, y: HEIGHT - 5, 'text-anchor': 'end' }, endWords));
  for (const { look, at, values, mean } of series) {
    if (series.length === 1) drawn.append(path(at, values, `raw look-${look}`));
    drawn.append(path(at, mean, `mean look-${look}`));
    if (series.length === 1) drawn.append(dot({ x: x(at.at(-1)), y: y(mean.at(-1)), className: `look-${look}` }, 4));
  }
  const read = element('b', '', series.length === 1 ? unit(series[0].mean.at(-1)) : '');
  readUnderPointer(drawn, read, series, unit, x, end);
  return element('figure', '', element('figcaption', '', title, read), drawn);
};
