// The overview: how much is judged and how well, versions and rounds in pictures; what serves and trains; what wants a look.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { FINDINGS } from '../quality/words.js';
import { api, begin, count, dates, day, moment, page, part, percent } from '../shared/admin.js';
import { ROUND_STATES, isRunning } from '../shared/round_states.js';
import { agreementPlot, dayBars, roundBars, strengthNames, strengthPlot } from './charts.js';

const FLAWS = { 'an empty answer': t('an empty answer'), 'two identical answers': t('two identical answers') };
const OBSTACLES = {
  'longer than the model can read': t('longer than the model can read'), 'refused by the chat template': t('refused by the chat template'),
};
const EVERY_MS = 20_000;

const tile = (name, value, words, href) => {
  const link = element('a', '', value);
  link.href = href;
  return element('div', '', element('dt', '', name), element('dd', '', link), element('p', '', words));
};
const roundTile = ({ rounds }) => {
  const last = rounds.at(-1);
  if (!last) return tile(t('Last round'), '–', t('There was none yet.'), '/admin/rounds/');
  const when = last.ended_at === null ? t('since {since}', { since: moment(last.created_at) }) : moment(last.ended_at);
  return tile(t('Round {round}', { round: last.id }), ROUND_STATES[last.state], when, `/admin/rounds/?round=${last.id}`);
};
const drawTiles = (all, quality) => part('tiles').replaceChildren(
  tile(t('Serving now'), all.champion, t('since {since}', { since: moment(all.serving_since) }), '/admin/versions/'),
  roundTile(all),
  tile(t('Judgments'), count(quality.judgments), t('on {pairs} pairs', { pairs: count(quality.items) }), '/admin/quality/'),
  tile(t('Pairs ready'), `${count(all.ready)} / ${count(all.wanted)}`, all.trouble ? t('none can be made just now') : t('for the next who judge'), '#sampling'),
);

const need = (words, href) => {
  const link = element('a', '', words);
  link.href = href;
  return element('li', '', link);
};
const drawNeeds = (all, quality) => {
  const last = all.rounds.at(-1);
  const found = quality.annotators.filter(({ findings, quarantine }) => findings.length && !quarantine);
  const needs = [
    ...all.waiting.map((version) => need(t('{version} is awaiting a decision.', { version }), '/admin/versions/')),
    ...all.on_trial.map((version) => need(t('{version} is in trial: annotators compare it with the serving version.', { version }), '/admin/versions/')),
    ...(last?.state === 'failed' ? [need(t('Round {round} failed: {reason}.', { round: last.id, reason: last.reason ?? '–' }), `/admin/rounds/?round=${last.id}`)] : []),
    ...(last?.state === 'refused' ? [need(t('Round {round} finished, and its version is rejected: {reason}', { round: last.id, reason: last.reason ?? '–' }), '/admin/versions/')] : []),
    ...(all.trouble ? [need(t('No new pairs for annotators: {why}', { why: t(all.trouble) }), '#sampling')] : []),
    ...(all.set_aside.count ? [need(t('{count} prompts are set aside: the model cannot be asked them.', { count: count(all.set_aside.count) }), '#sampling')] : []),
    ...(all.match_trouble ? [need(t('The votes between two versions stand still, no pairs of them can be made: {why}', { why: all.match_trouble }), '/admin/versions/')] : []),
    ...(all.trigger_trouble ? [need(t('No round could start: {why}', { why: all.trigger_trouble }), '/admin/rounds/')] : []),
    ...(all.backup_trouble ? [need(t('No backup could be made: {why}', { why: all.backup_trouble }), '/admin/settings/')] : []),
    ...(all.trial_trouble ? [need(t('What the votes decided could not be done: {why}', { why: all.trial_trouble }), '/admin/versions/')] : []),
    ...found.map((person) => need(`${person.pseudonym}: ${person.findings.map((finding) => FINDINGS[finding.kind](finding)).join(', ')}`, '/admin/quality/')),
    ...(all.flags ? [need(all.flags === 1 ? t('1 open flag') : t('{count} open flags', { count: count(all.flags) }), '/admin/quality/#flags')] : []),
  ];
  part('needs').hidden = needs.length === 0;
  part('fine').hidden = needs.length > 0;
  part('chip').hidden = needs.length === 0;
  part('chip').textContent = needs.length === 1 ? t('1 item needs attention') : t('{count} items need attention', { count: count(needs.length) });
  part('list').replaceChildren(...needs);
};

// What comes of sampling: tries since the server started, lengths of the stored answers, prompts that cannot be asked.
const drawSampling = ({ champion, model, model_license: license, decoding, tries, lengths, set_aside: aside }) => {
  part('model').textContent = license === null ? t('Model: {model}; no licence was found beside it', { model })
    : t('Model: {model}; licence: {license}', { model, license });
  part('decoding').textContent = t('Decoding: {way}', { way: decoding });
  const dropped = Object.entries(tries.dropped).map(([why, times]) => t('{count} dropped for {why}', { count: count(times), why: FLAWS[why] ?? why }));
  part('tries').textContent = [t('{tries} tries since the server started gave {pairs} pairs', { tries: count(tries.count), pairs: count(tries.pairs) }), ...dropped].join('; ');
  part('lengths').textContent = lengths === null ? t('There is no answer of {version} yet.', { version: champion })
    : t('Answers of {version}: median {median} tokens, nine in ten have at most {p90}; {share} of {answers} were cut off', { version: champion, median: count(lengths.median), p90: count(lengths.p90), share: percent(lengths.cut_off), answers: count(lengths.answers) });
  part('aside').hidden = aside.count === 0;
  part('aside-count').textContent = Object.entries(aside.by_reason).map(([why, times]) => t('{count} set aside: {why}', { count: count(times), why: OBSTACLES[why] ?? why })).join('; ');
  part('aside-prompts').replaceChildren(...aside.prompts.map(({ id, words, reason }) => element('li', '', t('Prompt {prompt} ({why}): {words}', { prompt: id, why: OBSTACLES[reason] ?? reason, words }))));
};

const drawDays = ({ days }) => {
  const week = days.slice(-7).reduce((sum, { judgments: given }) => sum + given, 0);
  part('days').replaceChildren(...dayBars(days));
  part('days-now').textContent = count(days.at(-1).judgments);
  part('days-words').textContent = t('{today} today, {week} in the last seven days; most on one day: {most}', { today: count(days.at(-1).judgments), week: count(week), most: count(Math.max(...days.map(({ judgments: given }) => given))) });
  part('days-first').textContent = dates.format(new Date(`${days[0].day}T12:00`));
};

// Of a picture without anything in it there are words instead.
const drawnIf = (name, some) => {
  part(`${name}-none`).hidden = some;
  part(`${name}-drawn`).hidden = !some;
  return some;
};
const drawAgreement = ({ course, agreement }) => {
  part('agreement-now').textContent = percent(agreement);
  if (!drawnIf('agreement', course.length > 0)) return;
  part('agreement').replaceChildren(agreementPlot(course));
  part('agreement-first').textContent = day(course[0].ended_at);
  part('agreement-last').textContent = course.length > 1 ? day(course.at(-1).ended_at) : '';
};
const drawStrengths = ({ strengths, champion }) => {
  part('strengths-now').textContent = percent(strengths.find(({ version }) => version === champion)?.win_rate ?? null);
  if (!drawnIf('strengths', strengths.length > 0)) return;
  part('strengths').replaceChildren(strengthPlot(strengths, champion));
  part('strengths-names').replaceChildren(...strengthNames(strengths, champion));
};
const drawRounds = ({ rounds }) => {
  part('rounds-none').hidden = rounds.length > 0;
  part('rounds-now').textContent = percent(rounds.findLast(({ accuracy }) => accuracy !== null)?.accuracy ?? null);
  part('rounds').replaceChildren(...roundBars(rounds));
};

const showOverview = async () => {
  const offset = -new Date().getTimezoneOffset();
  const [all, quality] = await Promise.all([api('GET', `/overview?offset_minutes=${offset}`), api('GET', '/quality')]);
  drawDays(all);
  drawAgreement(quality);
  drawStrengths(all);
  drawRounds(all);
  drawTiles(all, quality);
  drawNeeds(all, quality);
  drawSampling(all);
  page.dataset.running = all.rounds.some(isRunning);
};

setInterval(() => { if (!document.hidden) showOverview().catch(() => {}); }, EVERY_MS); // the next try tells
begin(showOverview);
