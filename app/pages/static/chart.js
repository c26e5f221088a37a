// A small line chart as SVG: a faint line of what was measured, a strong one of its running mean.
const WIDTH = 420;
const HEIGHT = 170;
const EDGE = { left: 40, right: 10, top: 10, bottom: 22 };

const svg = (name, attributes, text) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};

const runningMean = (values) => {
  let mean = values[0];
  return values.map((value) => (mean += 0.2 * (value - mean)));
};

const round2 = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

const bounds = (values, { low, high, mark }) => {
  const all = mark === undefined ? values : [...values, mark];
  const least = low ?? Math.min(...all);
  const most = high ?? Math.max(...all);
  const room = most - least || 1;
  return [low ?? least - 0.08 * room, high ?? most + 0.08 * room];
};

const drawChart = (figure, { title, steps, values, end, unit = round2, ...scale }) => {
  const [least, most] = bounds(values, scale);
  const right = WIDTH - EDGE.right;
  const floor = HEIGHT - EDGE.bottom;
  const x = (step) => EDGE.left + ((right - EDGE.left) * step) / Math.max(end, 1);
  const y = (value) => floor - ((floor - EDGE.top) * (value - least)) / (most - least);
  const path = (line) => line.map((value, i) => `${i ? 'L' : 'M'}${x(steps[i]).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const smooth = runningMean(values);
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': t('{title} by step: {value} now', { title, value: unit(smooth.at(-1)) }) });
  for (const part of [0, 0.5, 1]) {
    const value = least + part * (most - least);
    picture.append(
      svg('line', { x1: EDGE.left, x2: right, y1: y(value), y2: y(value), class: 'grid' }),
      svg('text', { x: EDGE.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, unit(value)),
    );
  }
  if (scale.mark !== undefined) picture.append(svg('line', { x1: EDGE.left, x2: right, y1: y(scale.mark), y2: y(scale.mark), class: 'mark' }));
  picture.append(
    svg('text', { x: EDGE.left, y: HEIGHT - 5 }, t('step 0')),
    svg('text', { x: right, y: HEIGHT - 5, 'text-anchor': 'end' }, String(end)),
    svg('path', { d: path(values), class: 'raw' }),
    svg('path', { d: path(smooth), class: 'mean' }),
    svg('circle', { cx: x(steps.at(-1)), cy: y(smooth.at(-1)), r: 4 }),
  );
  const caption = document.createElement('figcaption');
  const number = document.createElement('b');
  number.textContent = unit(smooth.at(-1));
  caption.append(title, number);
  figure.replaceChildren(caption, picture);
};
