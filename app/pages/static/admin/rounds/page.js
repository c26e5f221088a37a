// The page on rounds: all of them, the chosen one with its curves, log and report, and others beside it.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, moment, onPress, page, part, percent, question, say } from '../shared/admin.js';
import { ROUND_STATES, isRunning } from '../shared/round_states.js';
import { drawCurves } from './curves.js';
import { drawNext, loadNext } from './next_round.js';
import './rebuild.js';
import { drawBeside, drawHead, drawReport } from './report.js';
import { pairsOf, roundName, took } from './words.js';

const MOST_BESIDE = 6;
const LIVE_MS = 2_000;
const LIST_MS = 20_000;
const PAGE = 100;

let listed = [];
let running = false;
let chosen = null;
let beside = [];
let logged = { id: null, next: null };
const known = new Map(); // what was fetched of rounds, by id: record, rows, report

const ids = (text) => (text ?? '').split(',').map(Number).filter((id) => Number.isInteger(id) && id > 0);
const fromAddress = () => {
  const address = new URLSearchParams(location.search);
  [chosen = null] = ids(address.get('round'));
  beside = ids(address.get('with')).filter((id) => id !== chosen).slice(0, MOST_BESIDE - 1);
};
const toAddress = () => history.replaceState(null, '', `?round=${chosen}${beside.length ? `&with=${beside.join(',')}` : ''}`);
const shownIds = () => [chosen, ...beside];
const shownRounds = () => shownIds().filter((id) => known.has(id)).map((id) => known.get(id));

const fetchRound = async (id) => {
  const [record, { rows }] = await Promise.all([api('GET', `/rounds/${id}/record`), api('GET', `/rounds/${id}/metrics`)]);
  const report = record.reported ? known.get(id)?.report ?? await api('GET', `/rounds/${id}/report`) : null;
  known.set(id, { record, rows, report });
};

const itemOf = (round) => {
  const accuracy = round.accuracy === null ? '' : t('{share} held out', { share: percent(round.accuracy) });
  const choose = element('button', '', element('b', '', roundName(round), element('i', `records-chip ${round.state}`, ROUND_STATES[round.state])),
    element('span', '', [round.algorithm, pairsOf(round.train), accuracy].filter(Boolean).join(' · ')),
    element('span', '', `${moment(round.created_at)} · ${took(round)}`));
  choose.type = 'button';
  choose.addEventListener('click', () => chooseRound(round.id, { look: true }));
  const tick = element('input', '');
  tick.type = 'checkbox';
  tick.setAttribute('aria-label', t('Show round {round} beside it', { round: round.id }));
  tick.addEventListener('change', () => tickRound(round.id, tick.checked));
  const item = element('li', '', tick, choose);
  item.dataset.round = round.id;
  return item;
};
const markList = () => {
  for (const item of part('list').children) {
    const id = Number(item.dataset.round);
    const [tick, choose] = item.children;
    choose.setAttribute('aria-current', id === chosen);
    tick.checked = shownIds().includes(id);
    tick.disabled = id === chosen || (!tick.checked && shownIds().length >= MOST_BESIDE);
    item.dataset.look = listed.length && shownIds().length > 1 && tick.checked ? shownIds().indexOf(id) : '';
  }
};
const drawList = () => {
  const focused = document.activeElement?.closest('[data-round]');
  const at = focused ? [focused.dataset.round, [...focused.children].indexOf(document.activeElement)] : null;
  part('list').replaceChildren(...listed.map(itemOf));
  markList();
  if (at) part('list').querySelector(`[data-round="${at[0]}"]`)?.children[at[1]].focus();
};

const drawShown = () => {
  const round = known.get(chosen);
  if (!round) return;
  drawHead(round);
  drawCurves(shownRounds(), page.querySelector('[name="axis"]:checked').value === 'share');
  drawBeside(shownRounds());
};
const drawAll = () => {
  drawShown();
  drawReport(known.get(chosen)?.report ?? null);
};

// What was written since; it is followed unless somebody has scrolled up.
const readLog = async () => {
  const id = chosen;
  if (logged.id !== id) {
    logged = { id, next: null };
    part('log').textContent = '';
  }
  const { text, next, size } = await api('GET', `/rounds/${id}/log${logged.next === null ? '' : `?after=${logged.next}`}`);
  if (logged.id !== id) return;
  const log = part('log');
  const following = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  logged.next = next;
  part('log-panel').hidden = size === 0;
  if (text) log.append(text);
  if (text && following) log.scrollTop = log.scrollHeight;
};

const chooseRound = async (id, { look = false } = {}) => {
  [chosen, beside] = [id, beside.filter((other) => other !== id)];
  toAddress();
  markList();
  say('');
  const fetched = await Promise.allSettled([...shownIds().map(fetchRound), readLog()]);
  if (chosen !== id) return;
  const failed = fetched.find(({ status }) => status === 'rejected');
  if (failed) say(failed.reason.message, 'warn');
  part('shown').hidden = !known.has(id);
  drawAll();
  if (look && matchMedia('(max-width: 900px)').matches) part('title').focus();
};
const tickRound = async (id, ticked) => {
  beside = beside.filter((other) => other !== id);
  if (ticked) beside.push(id);
  toAddress();
  markList();
  try {
    if (ticked) await fetchRound(id);
  } catch (error) {
    say(error.message, 'warn');
  }
  drawShown();
};

const loadList = async () => {
  const newest = await api('GET', '/rounds/records');
  running = newest.some(isRunning);
  await loadNext(running);
  listed = [...newest, ...listed.filter(({ id }) => newest.length && id < newest.at(-1).id)];
  action('older').hidden = newest.length < PAGE || listed.at(-1).id === 1;
  part('none').hidden = listed.length > 0;
  part('sides').hidden = listed.length === 0;
  drawList();
};
onPress(action('older'), async () => {
  const older = await api('GET', `/rounds/records?before=${listed.at(-1).id}`);
  listed.push(...older);
  drawList();
  action('older').hidden = older.length < PAGE;
});

// A round that runs is looked at again and again; when it has ended, the list tells, too.
const live = async () => {
  const moving = shownRounds().filter(({ record }) => isRunning(record)).map(({ record }) => record.id);
  if (moving.length === 0) return;
  await Promise.all([...moving.map(fetchRound), moving.includes(chosen) ? readLog() : null]);
  const ended = moving.some((id) => !isRunning(known.get(id).record));
  if (ended) await loadList();
  (ended ? drawAll : drawShown)();
};
const again = (work, ms) => setTimeout(async () => {
  if (!document.hidden) await work().catch(() => {}); // the next try tells
  again(work, ms);
}, ms);

onPress(action('start'), async () => {
  const { id } = await api('POST', '/rounds', { algorithm: part('algorithm').value });
  await loadList();
  if (id) await chooseRound(id);
  else say(t('A round will start when the one under way has ended'));
});
onPress(action('withdraw'), async () => {
  await api('DELETE', '/rounds/waiting');
  await loadList();
});
onPress(action('cancel'), async () => question({
  title: t('Cancel round {round}?', { round: chosen }),
  words: t('Its trainer writes a checkpoint and ends. What serves now goes on serving, and the round can go on later.'),
  yes: t('Cancel the round'),
  work: async () => { await api('POST', `/rounds/${chosen}/cancel`); },
}));
onPress(action('resume'), async () => {
  const { id } = await api('POST', `/rounds/${chosen}/resume`);
  await loadList();
  await chooseRound(id);
});
part('algorithm').addEventListener('change', () => drawNext(running));
for (const choice of page.querySelectorAll('[name="axis"]')) choice.addEventListener('change', drawShown);
part('log-box').addEventListener('toggle', () => { part('log').scrollTop = part('log').scrollHeight; });

fromAddress();
begin(async () => {
  await loadList();
  if (listed.length) await chooseRound(chosen ?? listed[0].id);
  part('log-box').open = known.has(chosen) && isRunning(known.get(chosen).record);
});
again(live, LIVE_MS);
again(async () => {
  await loadList();
  if (chosen === null && listed.length) await chooseRound(listed[0].id); // the first round of this home
}, LIST_MS);
