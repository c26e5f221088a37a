// Curves of one round, or of several in one picture; each picture says its numbers aloud, and those under the pointer.
const WIDTH = 420;
const HEIGHT = 170;
const EDGE = { left: 44, right: 10, top: 10, bottom: 22 };
const RIGHT = WIDTH - EDGE.right;
const FLOOR = HEIGHT - EDGE.bottom;

const runningMean = (values) => {
  let mean = values[0];
  return values.map((value) => (mean += 0.2 * (value - mean)));
};

// How many steps a round has, or had before it; what is measured after training has none of its own.
const stepsOf = ({ record, rows }) => Math.max(record.phase === 'training' ? record.steps : 0, rows.at(-1)?.step ?? 1);

const seriesOf = (shown, name, byShare) => shown.map((round, look) => {
  const rows = round.rows.filter((row) => Number.isFinite(row[name]));
  const values = rows.map((row) => row[name]);
  const whole = byShare ? stepsOf(round) : 1;
  return { look, name: roundName(round.record), steps: rows.map(({ step }) => step), at: rows.map(({ step }) => step / whole), values, mean: runningMean(values) };
}).filter(({ values }) => values.length);

const bounds = (values, { low, high, mark }) => {
  const all = mark === undefined ? values : [...values, mark];
  const least = low ?? Math.min(...all);
  const most = high ?? Math.max(...all);
  const room = most - least || Math.abs(most) || 1;
  return [low ?? least - 0.08 * room, high ?? most + 0.08 * room];
};

const label = (attributes, words) => {
  const node = svg('text', attributes);
  node.textContent = words;
  return node;
};

const chart = (series, { title, unit = PLAIN, ...scale }, end, endWords) => {
  const [least, most] = bounds(series.flatMap(({ values, mean }) => (series.length > 1 ? mean : values)), scale);
  const x = (at) => EDGE.left + ((RIGHT - EDGE.left) * at) / end;
  const y = (value) => FLOOR - ((FLOOR - EDGE.top) * (value - least)) / (most - least);
  const path = (at, line) => line.map((value, i) => `${i ? 'L' : 'M'}${x(at[i]).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const numbers = series.map(({ name, mean }) => t('{name}: {value}', { name, value: unit(mean.at(-1)) })).join(', ');
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${numbers}` });
  for (const part of [0, 0.5, 1]) {
    const value = least + part * (most - least);
    picture.append(svg('line', { x1: EDGE.left, x2: RIGHT, y1: y(value), y2: y(value), class: 'grid' }));
    picture.append(label({ x: EDGE.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, unit(value)));
  }
  if (scale.mark !== undefined) picture.append(svg('line', { x1: EDGE.left, x2: RIGHT, y1: y(scale.mark), y2: y(scale.mark), class: 'mark' }));
  picture.append(label({ x: EDGE.left, y: HEIGHT - 5 }, '0'), label({ x: RIGHT, y: HEIGHT - 5, 'text-anchor': 'end' }, endWords));
  for (const { look, at, values, mean } of series) {
    if (series.length === 1) picture.append(svg('path', { d: path(at, values), class: `raw look-${look}` }));
    picture.append(svg('path', { d: path(at, mean), class: `mean look-${look}` }));
    if (series.length === 1) picture.append(svg('circle', { cx: x(at.at(-1)), cy: y(mean.at(-1)), r: 4, class: `look-${look}` }));
  }
  const read = element('b', '', series.length === 1 ? unit(series[0].mean.at(-1)) : '');
  const figure = element('figure', '', element('figcaption', '', title, read), picture);
  readUnderPointer(picture, read, series, unit, x, end);
  return figure;
};

// The values of all curves where the pointer is, and a line there.
const readUnderPointer = (picture, numbers, series, unit, x, end) => {
  const resting = numbers.textContent;
  const line = svg('line', { y1: EDGE.top, y2: FLOOR, class: 'pointer', visibility: 'hidden' });
  picture.append(line);
  picture.addEventListener('pointermove', ({ clientX }) => {
    const { left, width } = picture.getBoundingClientRect();
    const wanted = ((((clientX - left) / width) * WIDTH - EDGE.left) / (RIGHT - EDGE.left)) * end;
    const nearest = ({ at }) => at.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(at[best] - wanted) ? i : best), 0);
    const first = nearest(series[0]);
    const place = Math.min(Math.max(wanted, 0), end);
    for (const [name, value] of Object.entries({ x1: x(place), x2: x(place), visibility: 'visible' })) line.setAttribute(name, value);
    numbers.replaceChildren(...series.map((one) => element('i', `look-${one.look}`, unit(one.mean[nearest(one)]))));
    if (series.length === 1) numbers.prepend(t('step {step}', { step: series[0].steps[first] }), ' · ');
  });
  picture.addEventListener('pointerleave', () => {
    line.setAttribute('visibility', 'hidden');
    numbers.textContent = resting;
  });
};

const drawLegend = (shown) => {
  part('legend').hidden = shown.length < 2;
  part('axis').hidden = shown.length < 2;
  part('legend').replaceChildren(...shown.map(({ record }, look) => {
    const swatch = svg('svg', { viewBox: '0 0 28 8', 'aria-hidden': 'true' });
    swatch.append(svg('path', { d: 'M1 4L27 4', class: `mean look-${look}` }));
    return element('li', '', swatch, roundName(record));
  }));
};

const drawCurves = (shown, byShare) => {
  const several = shown.length > 1;
  const measured = shown.flatMap(({ rows }) => (rows.length ? Object.keys(rows.at(-1)) : []));
  const names = Object.keys(CURVES).filter((name) => measured.includes(name));
  part('curves-panel').hidden = names.length === 0;
  const end = several && byShare ? 1 : Math.max(...shown.map(stepsOf));
  const endWords = several && byShare ? t('all of it') : t('step {step}', { step: count(end) });
  drawLegend(shown);
  const figures = names.map((name) => {
    const figure = chart(seriesOf(shown, name, several && byShare), CURVES[name], end, endWords);
    figure.dataset.chart = name;
    return figure;
  });
  part('charts').replaceChildren(...figures.filter((_, i) => !CURVES[names[i]].more));
  part('more-charts').replaceChildren(...figures.filter((_, i) => CURVES[names[i]].more));
  part('more').hidden = part('more-charts').children.length === 0;
};
