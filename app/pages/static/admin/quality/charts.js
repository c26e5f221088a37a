// Small pictures as SVG, in percent of their width, so that they fit wherever they stand. Each says its numbers aloud.
const at = (share) => `${(100 * share).toFixed(2)}%`;
const line = (x1, y1, x2, y2, className) => svg('line', { x1, y1, x2, y2, class: className });

// A point with its interval on a scale from 0 to 1; mark: what it is held against.
const scale = (label, { value, low, high, mark, tone }) => {
  const picture = svg('svg', { class: 'scale', role: 'img', 'aria-label': label, 'data-tone': tone });
  picture.append(line('0', '50%', '100%', '50%', 'rail'), line(at(mark), '0', at(mark), '100%', 'mark'));
  picture.append(line(at(low), '50%', at(high), '50%', 'interval'), svg('circle', { cx: at(value), cy: '50%', r: 5 }));
  return picture;
};

const nothing = (label) => {
  const picture = svg('svg', { class: 'scale', role: 'img', 'aria-label': label });
  picture.append(line('0', '50%', '100%', '50%', 'rail'));
  return picture;
};

// Where a factor stands on a scale of doublings, from an eighth to eight; what is beyond stands at the edge.
const DOUBLINGS = 3;
const onLog = (factor) => Math.min(1, Math.max(0, (Math.log2(factor) + DOUBLINGS) / (2 * DOUBLINGS)));

// Values from 0 to 1 one after the other, without axes; gaps where there is none.
const spark = (label, values, { mark, tone }) => {
  const picture = svg('svg', { class: 'spark', role: 'img', 'aria-label': label, 'data-tone': tone });
  const x = (i) => at(values.length > 1 ? i / (values.length - 1) : 0.5);
  const y = (value) => at(0.92 - 0.84 * value);
  picture.append(line('0', y(mark), '100%', y(mark), 'mark'));
  const known = values.map((value, i) => [i, value]).filter(([, value]) => value !== null);
  for (const [i, [to, value]] of known.entries()) {
    if (i) picture.append(line(x(known[i - 1][0]), y(known[i - 1][1]), x(to), y(value), 'curve'));
  }
  const last = known.at(-1);
  if (last) picture.append(svg('circle', { cx: x(last[0]), cy: y(last[1]), r: 3.5 }));
  return picture;
};

// Agreement over time, with the band where good crowds are.
const LEAST = 0.4;
const GOOD = [0.63, 0.81];
const courseChart = (course) => {
  const [from, to] = [course[0].ended_at, course.at(-1).ended_at];
  const x = (ms) => at(course.length > 1 ? (ms - from) / (to - from || 1) : 0.5);
  const y = (share) => at(1 - (Math.max(LEAST, share) - LEAST) / (1 - LEAST));
  const label = t('Agreement over time: {first} at first, {last} now', { first: percent(course[0].agreement), last: percent(course.at(-1).agreement) });
  const picture = svg('svg', { class: 'course', role: 'img', 'aria-label': label });
  picture.append(svg('rect', { x: 0, width: '100%', y: y(GOOD[1]), height: at((GOOD[1] - GOOD[0]) / (1 - LEAST)), class: 'band' }));
  for (const share of [0.4, 0.6, 0.8, 1]) picture.append(line('0', y(share), '100%', y(share), 'grid'));
  for (const [i, span] of course.entries()) {
    if (i) picture.append(line(x(course[i - 1].ended_at), y(course[i - 1].agreement), x(span.ended_at), y(span.agreement), 'curve'));
  }
  for (const span of course) {
    const point = svg('circle', { cx: x(span.ended_at), cy: y(span.agreement), r: 4.5 });
    const title = svg('title');
    title.textContent = t('{when}: {share} on {pairs} pairs', { when: moment(span.ended_at), share: percent(span.agreement), pairs: count(span.items) });
    point.append(title);
    picture.append(point);
  }
  return picture;
};
