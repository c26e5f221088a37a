// The page on quality: how far people agree, and each person's measures. What is measured is said in docs/quality.md.
import { scale, spark } from '../../shared/charts.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { api, begin, button, count, day, decimal, openTab, part, percent, question, say, tabs } from '../shared/admin.js';
import { courseChart, onLog } from './charts.js';
import { showFlags } from './flags.js';
import { showGold } from './gold.js';
import { ADVICE, CHOICES, FINDINGS, interval, judgments, listed, roundsUsed, seconds, times2 } from './words.js';

const TONES = { reliability: ['chance', 'against_others'], left: ['one_side'], gold: ['misses_gold'], repeats: ['inconsistent'], length: ['by_length'], time: ['too_fast'] };
const toneOf = (person, name) => (person.findings.some(({ kind }) => TONES[name].includes(kind)) ? 'warn' : 'calm');

const waitingWords = ({ waiting }) => (waiting === 1 ? t('1 pair waits for a second person') : waiting ? t('{count} pairs wait for a second person', { count: count(waiting) }) : '');
const tile = (name, value, words) => element('div', '', element('dt', '', name), element('dd', '', value), element('p', '', words));
const drawTiles = (all) => part('tiles').replaceChildren(
  tile(t('Judgments'), count(all.judgments), t('on {pairs} pairs', { pairs: count(all.items) })),
  tile(t('Judged by two or more'), percent(all.items ? all.shared / all.items : null), [t('{shared} of {pairs} pairs', { shared: count(all.shared), pairs: count(all.items) }), waitingWords(all)].filter(Boolean).join(' · ')),
  tile(t('Agreement'), percent(all.agreement), t('Careful annotators typically agree on 63–81 % of such pairs.')),
  tile(t('Fleiss’ kappa'), decimal(all.fleiss), t('Agreement beyond chance: 0 is chance, 1 is always.')),
  tile(t('Krippendorff’s alpha'), decimal(all.alpha), t('Over all pairs; typically 0.26–0.62 for careful annotators.')),
);

const drawCourse = ({ course }) => {
  const known = course.filter(({ agreement }) => agreement !== null);
  part('course').hidden = known.length < 2;
  if (part('course').hidden) return;
  part('chart').replaceChildren(courseChart(known));
  part('first').textContent = day(known[0].ended_at);
  part('last').textContent = day(known.at(-1).ended_at);
};

const drawEmpty = (all) => {
  part('empty').hidden = all.shared > 0;
  part('tiles').hidden = all.judgments === 0;
  part('empty-setting').hidden = all.judgments === 0 || all.waiting > 0;
  if (all.judgments && all.waiting) {
    part('empty-title').textContent = waitingWords(all);
    part('empty-words').textContent = t('They come first for everybody who has not judged them yet, so that people can be compared.');
    return;
  }
  [part('empty-title').textContent, part('empty-words').textContent] = all.judgments
    ? [t('No pair has been judged by two people yet'), t('So nobody can be compared with anybody. Have more pairs judged twice: raise overlap in [queue] of prefloop.toml, in the server’s home directory, and restart the server. A tenth to a fifth of the pairs is a good start.')]
    : [t('Nobody has judged anything in this time'), t('Quality figures appear here once people have judged.')];
};

const measure = (name, value, picture) => element('div', 'measure', element('span', '', name), element('b', '', value), picture);
const shareMeasure = (person, key, name, mark) => {
  const measured = person[key];
  if (!measured) return measure(name, '–', scale(t('{name}: not known yet', { name }), null));
  const label = t('{name}: {value}, with 95 % certainty {interval}, from {count}', { name, value: percent(measured.value), interval: interval(measured), count: count(measured.of) });
  return measure(name, percent(measured.value), scale(label, { ...measured, mark, tone: toneOf(person, key) }));
};
const lengthMeasure = (person) => {
  const name = t('Length bias (odds of choosing an answer twice as long)');
  if (!person.length) return measure(name, '–', scale(t('{name}: not known yet', { name }), null));
  const { odds, low, high, of } = person.length;
  const label = t('{name}: {value}, with 95 % certainty {interval}, from {count}', { name, value: times2(odds), interval: interval(person.length, times2), count: count(of) });
  const drawn = { value: onLog(odds), low: onLog(low), high: onLog(high), mark: 0.5, tone: toneOf(person, 'length') };
  return measure(name, times2(odds), scale(label, drawn));
};
const timeMeasure = (person) => {
  const name = t('Median time');
  const fast = person.too_fast ? t('{share} too fast', { share: percent(person.too_fast.value) }) : t('not measured');
  const words = element('small', '', fast);
  if (toneOf(person, 'time') === 'warn') words.className = 'warn';
  return measure(name, seconds(person.seconds), words);
};
const courseMeasure = (person) => {
  const name = t('Agreement with others over time');
  const values = person.course.map(({ agreement }) => (agreement ? agreement.value : null));
  const last = values.filter((value) => value !== null).at(-1) ?? null;
  const label = t('{name}: {value} now', { name, value: percent(last) });
  return measure(name, percent(last), spark(label, values, { mark: 0.5, tone: toneOf(person, 'reliability') }));
};

const numbersRow = (name, measured, shown = percent, value = measured?.value ?? measured?.odds) => {
  const cells = measured ? [shown(value), interval(measured, shown), count(measured.of)] : ['–', '–', '–'];
  return element('tr', '', element('th', '', name), ...cells.map((cell) => element('td', '', cell)));
};
const numbersTable = (person) => {
  const head = element('tr', '', ...['', t('Value'), t('95 % interval'), t('From')].map((words) => element('th', '', words)));
  const rows = [
    numbersRow(t('Votes for the better answer'), person.reliability),
    numbersRow(t('With the others’ consensus'), person.agreement),
    numbersRow(t('Left side wins'), person.left),
    numbersRow(t('Longer answer wins'), person.longer),
    numbersRow(t('Length bias (odds of choosing an answer twice as long)'), person.length, times2),
    numbersRow(t('Neither wins'), person.undecided),
    numbersRow(t('Same when asked again'), person.repeats),
    numbersRow(t('Gold pairs correct'), person.gold),
    numbersRow(t('Faster than reading time'), person.too_fast),
  ];
  return element('div', 'admin-scroll', element('table', '', element('thead', '', head), element('tbody', '', ...rows)));
};
const detailsOf = (person) => {
  const choices = Object.entries(person.choices).map(([choice, number]) => `${CHOICES[choice]} ${count(number)}`);
  const facts = [
    t('Choices: {choices}.', { choices: listed(choices) }),
    person.kappa === null ? '' : t('Cohen’s kappa with the others’ consensus: {kappa}.', { kappa: decimal(person.kappa) }),
    person.pace === null ? '' : t('Speed: {pace} SD from the median of all; below 0 is faster.', { pace: decimal(person.pace) }),
    person.rounds.length ? t('Used by {rounds}.', { rounds: listed(roundsUsed(person.rounds)) }) : t('No round has used these judgments.'),
  ];
  const advice = person.findings.map((finding) => element('li', '', element('b', '', FINDINGS[finding.kind](finding)), ' ', ADVICE[finding.kind]));
  const details = element('details', '', element('summary', '', t('All metrics')));
  if (advice.length) details.append(element('ul', 'quality-advice', ...advice));
  details.append(numbersTable(person), ...facts.filter(Boolean).map((words) => element('p', '', words)));
  return details;
};

const beginQuarantine = (person) => question({
  title: t('Quarantine {pseudonym}?', person),
  words: t('Their judgments stay out of rounds from now on. They are kept, nothing is told to the person, and you can lift it at any time.'),
  yes: t('Quarantine'),
  reason: t('Reason (kept in the audit log)'),
  work: async (reason) => {
    const { rounds } = await api('POST', `/people/${person.id}/quarantine`, { reason });
    await showQuality();
    const used = rounds.length ? t('These rounds had used the judgments and keep them: {rounds}.', { rounds: listed(roundsUsed(rounds)) }) : t('No round had used the judgments.');
    say(`${t('{pseudonym} is in quarantine.', person)} ${used}`);
  },
});
const liftQuarantine = async (person) => {
  await api('POST', `/people/${person.id}/quarantine/lift`);
  await showQuality();
  say(t('The judgments of {pseudonym} count again.', person));
};

const statusOf = (person) => {
  if (person.quarantine) {
    const { reason, created_at: since, by } = person.quarantine;
    const used = person.rounds.length ? ` ${t('Rounds before: {rounds}.', { rounds: listed(roundsUsed(person.rounds)) })}` : '';
    return element('p', 'quality-held', element('b', '', t('In quarantine')), ` ${t('since {since}, by {by}: {reason}', { since: day(since), by: by ?? '–', reason })}${used}`);
  }
  const chips = person.findings.map((finding) => element('li', '', FINDINGS[finding.kind](finding)));
  return chips.length ? element('ul', 'quality-chips', ...chips) : element('p', 'quality-calm', t('Nothing stands out'));
};

const card = (person) => {
  const acting = person.quarantine ? button(t('Lift the quarantine'), () => liftQuarantine(person)) : button(t('Quarantine'), async () => beginQuarantine(person));
  acting.setAttribute('aria-label', `${acting.textContent}: ${person.pseudonym}`);
  const named = element('div', 'quality-name', element('h3', '', person.pseudonym), element('span', '', `${person.login} · ${judgments(person.judgments)}`));
  const made = element('article', 'admin-panel quality-card', element('header', '', named, acting), statusOf(person));
  made.dataset.login = person.login;
  made.dataset.state = person.quarantine ? 'quarantine' : person.findings.length ? 'findings' : 'calm';
  made.append(element(
    'div', 'quality-measures',
    shareMeasure(person, 'reliability', t('Votes for the better answer'), 0.5),
    shareMeasure(person, 'gold', t('Gold pairs correct'), 0.7),
    shareMeasure(person, 'left', t('Left side wins'), 0.5),
    lengthMeasure(person),
    shareMeasure(person, 'repeats', t('Same when asked again'), 0.5),
    timeMeasure(person),
    courseMeasure(person),
  ), detailsOf(person));
  return made;
};

const ORDER = { findings: 0, calm: 1, quarantine: 2 };
const showQuality = async () => {
  const days = part('days').value;
  const all = await api('GET', `/quality${days ? `?days=${days}` : ''}`);
  drawEmpty(all);
  drawTiles(all);
  drawCourse(all);
  const cards = [...all.annotators].sort((a, b) => b.judgments - a.judgments).map(card);
  cards.sort((a, b) => ORDER[a.dataset.state] - ORDER[b.dataset.state]);
  part('people').replaceChildren(...cards);
  part('count-people').textContent = count(cards.length);
};

openTab(document.getElementById(`tab-${location.hash.slice(1)}`) ?? tabs[0]);
part('days').addEventListener('change', () => showQuality().catch((error) => say(error.message, 'warn')));
begin(showQuality, showGold, showFlags);
