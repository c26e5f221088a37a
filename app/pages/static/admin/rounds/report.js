// One round in words and tables: what it was given, its report, and several rounds side by side.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, count, moment, part, percent } from '../shared/admin.js';
import { probeNodes } from '../shared/probes.js';
import { ROUND_STATES, isRunning } from '../shared/round_states.js';
import { PHASES, duration, leftOut, roundName, told, took } from './words.js';

export const fact = (name, ...value) => element('div', '', element('dt', '', name), element('dd', '', ...value));
export const versionLink = (version) => {
  const link = element('a', '', version);
  link.href = '/admin/versions/';
  return link;
};
const besideLink = ({ id, rebuilds }) => {
  const link = element('a', '', roundName({ id: rebuilds }));
  link.href = `?round=${id}&with=${rebuilds}`;
  return link;
};
const CAUSES = [
  [/^every (.+) judgments$/, (count) => t('every {count} judgments', { count })],
  [/^every (.+) hours$/, (count) => t('every {count} hours', { count })],
  [/^rebuild of round (.+)$/, (round) => t('rebuild of round {round}', { round })],
];
const causeWords = (cause) => {
  for (const [form, words] of CAUSES) {
    const found = form.exec(cause);
    if (found) return words(found[1]);
  }
  return t(cause);
};
const startedBy = ({ started_by: by, created_at: at, cause }) => (by
  ? t('Started {when} by {who}: {cause}', { when: moment(at), who: by, cause: causeWords(cause) })
  : t('Started {when} by prefloop itself: {cause}', { when: moment(at), cause: causeWords(cause) }));
const factsOf = (record) => [
  ...(record.algorithm ? [fact(t('Algorithm'), record.algorithm)] : []),
  fact(t('Training pairs'), count(record.train)),
  fact(t('Held-out pairs'), count(record.heldout)),
  ...(record.both_bad ? [fact(t('Pairs of two bad answers'), count(record.both_bad))] : []),
  ...(record.flip_rate === null ? [] : [fact(t('Flipped votes'), percent(record.flip_rate))]),
  ...(record.version ? [fact(t('Version'), versionLink(record.version))] : []),
  ...(record.rebuilds ? [fact(t('Takes again'), besideLink(record))] : []),
  ...(record.sha256 ? [fact(t('Digest'), element('code', '', record.sha256.slice(0, 12)))] : []),
  fact(isRunning(record) ? t('Runs for') : t('Took'), took(record)),
];

export const drawHead = ({ record }) => {
  const { id, state } = record;
  part('title').textContent = roundName(record);
  part('state').textContent = ROUND_STATES[state];
  part('state').className = `records-chip ${state}`;
  part('started').textContent = startedBy(record);
  part('reason').textContent = record.reason ?? (state === 'failed' ? t('No reason was given.') : '');
  part('file').href = `/api/v1/rounds/${id}/report.md`;
  action('cancel').hidden = state !== 'training';
  action('resume').hidden = !['failed', 'cancelled'].includes(state);
  part('run').hidden = !isRunning(record);
  part('fill').style.width = `${record.steps ? (100 * record.step) / record.steps : 0}%`;
  part('left').textContent = [
    record.phase === null ? ROUND_STATES[state] : PHASES[record.phase] ?? record.phase,
    record.steps ? t('step {step} of {steps}', record) : '',
    record.seconds_left === null ? '' : t('{time} left', { time: duration(record.seconds_left) }),
  ].filter(Boolean).join(' · ');
  part('facts').replaceChildren(...factsOf(record));
  part('excluded').textContent = leftOut(record.excluded);
};

const rowOf = (name, values) => {
  const head = element('th', '', name);
  head.scope = 'row';
  return element('tr', '', head, ...values.map((value) => element('td', value.length > 12 || values.length > 2 ? '' : 'short', value)));
};
const tableOf = (head, rows, title) => {
  const table = element('table', '');
  if (title) table.append(element('caption', '', title));
  if (head.some(Boolean)) {
    const cells = head.map((words) => Object.assign(element('th', '', words), { scope: 'col' }));
    table.append(element('thead', '', element('tr', '', ...cells)));
  }
  table.append(element('tbody', '', ...rows));
  return table;
};

export const drawReport = (report) => {
  part('report-panel').hidden = report === null;
  if (report === null) return;
  part('tiles').replaceChildren(...report.tiles.map(([name, value]) => fact(t(name), told(value))));
  part('notes').replaceChildren(...report.notes.map((note) => element('li', '', note)));
  part('tables').replaceChildren(...report.tables.map(({ title, head, rows }) => tableOf(
    head.map((words) => t(words)), rows.map(([name, ...values]) => rowOf(t(told(name)), values.map(told))), t(title),
  )));
  part('probed').hidden = report.probes.length === 0;
  part('probes').replaceChildren(...probeNodes(report.probes));
};

// The main numbers of all, and those settings in which they differ.
export const drawBeside = (shown) => {
  part('beside-panel').hidden = shown.length < 2;
  if (shown.length < 2) return;
  const records = shown.map(({ record }) => record);
  const tiles = shown.map(({ report }) => new Map(report?.tiles ?? []));
  const names = [...new Set(tiles.flatMap((known) => [...known.keys()]))];
  const rows = [
    rowOf(t('State'), records.map(({ state }) => ROUND_STATES[state])),
    rowOf(t('Algorithm'), records.map(({ algorithm }) => algorithm || '–')),
    rowOf(t('Training pairs'), records.map(({ train }) => count(train))),
    rowOf(t('Held-out pairs'), records.map(({ heldout }) => count(heldout))),
    ...names.map((name) => rowOf(t(name), tiles.map((known) => (known.has(name) ? told(known.get(name)) : '–')))),
  ];
  const keys = [...new Set(records.flatMap(({ settings }) => Object.keys(settings)))];
  const words = (value) => (value === undefined ? '–' : value === null ? t('none') : String(value));
  const differ = keys.filter((key) => new Set(records.map(({ settings }) => words(settings[key]))).size > 1);
  const differing = differ.map((key) => rowOf(element('code', '', key), records.map(({ settings }) => words(settings[key]))));
  const head = ['', ...records.map(roundName)];
  part('beside').replaceChildren(tableOf(head, rows), ...(differing.length ? [tableOf(head, differing, t('Settings that differ'))] : []));
};
