// Curves of one round, or of several in one picture; each picture says its numbers aloud, and those under the pointer.
import { curves, svg } from '../../shared/charts.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { count, part } from '../shared/admin.js';
import { CURVES, PLAIN, roundName } from './words.js';

const runningMean = (values) => {
  let mean = values[0];
  return values.map((value) => {
    mean += 0.2 * (value - mean);
    return mean;
  });
};

// How many steps a round has, or had before it; what is measured after training has none of its own.
const stepsOf = ({ record, rows }) => Math.max(record.phase === 'training' ? record.steps : 0, rows.at(-1)?.step ?? 1);

const seriesOf = (shown, name, byShare) => shown.map((round, look) => {
  const rows = round.rows.filter((row) => Number.isFinite(row[name]));
  const values = rows.map((row) => row[name]);
  const whole = byShare ? stepsOf(round) : 1;
  return { look, name: roundName(round.record), steps: rows.map(({ step }) => step), at: rows.map(({ step }) => step / whole), values, mean: runningMean(values) };
}).filter(({ values }) => values.length);

const drawLegend = (shown) => {
  part('legend').hidden = shown.length < 2;
  part('axis').hidden = shown.length < 2;
  part('legend').replaceChildren(...shown.map(({ record }, look) => {
    const swatch = svg('svg', { viewBox: '0 0 28 8', 'aria-hidden': 'true' });
    swatch.append(svg('path', { d: 'M1 4L27 4', class: `mean look-${look}` }));
    return element('li', '', swatch, roundName(record));
  }));
};

export const drawCurves = (shown, byShare) => {
  const several = shown.length > 1;
  const measured = shown.flatMap(({ rows }) => (rows.length ? Object.keys(rows.at(-1)) : []));
  const names = Object.keys(CURVES).filter((name) => measured.includes(name));
  part('curves-panel').hidden = names.length === 0;
  const end = several && byShare ? 1 : Math.max(...shown.map(stepsOf));
  const endWords = several && byShare ? t('all of it') : t('step {step}', { step: count(end) });
  drawLegend(shown);
  const figures = names.map((name) => {
    const figure = curves(seriesOf(shown, name, several && byShare), { unit: PLAIN, ...CURVES[name] }, end, endWords);
    figure.dataset.chart = name;
    return figure;
  });
  part('charts').replaceChildren(...figures.filter((_, i) => !CURVES[names[i]].more));
  part('more-charts').replaceChildren(...figures.filter((_, i) => CURVES[names[i]].more));
  part('more').hidden = part('more-charts').children.length === 0;
};
