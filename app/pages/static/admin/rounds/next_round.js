// The next round: what it would use, what it waits for, and starting one by hand.
import { element } from '../../shared/dom.js';
import { lang, t } from '../../shared/words.js';
import { action, api, count, decimal, moment, part, percent } from '../shared/admin.js';
import { fact, versionLink } from './report.js';
import { leftOut, told } from './words.js';

const RATED = 'kto'; // the algorithm that learns from single answers, hence from pairs of two bad ones too
let preview = null;

const trainable = (algorithm) => preview.train + (algorithm === RATED ? preview.both_bad : 0);
const bothBad = (number) => (number === 1 ? t('1 pair of two bad answers') : t('{count} pairs of two bad answers', { count: count(number) }));

const fillAlgorithms = ({ algorithm, algorithms }) => {
  const select = part('algorithm');
  if (select.options.length) return; // what an admin has chosen stays chosen
  select.append(...algorithms.map(({ name, label }) => new Option(label, name, name === algorithm, name === algorithm)));
};

const nextWords = (algorithm) => {
  const some = trainable(algorithm) > 0;
  return [
    preview.trouble ? t(preview.trouble) : told(preview.waits),
    preview.waiting ? t('Another round waits for it to end.') : '',
    some ? '' : t('Nothing to train on yet: judge some pairs first.'),
    some && !preview.heldout ? t('No held-out pair is there yet to measure the result.') : '',
  ].filter(Boolean).join(lang === 'en' ? ' ' : '');
};

const nextFacts = (algorithm) => {
  const { rules } = preview;
  return [
    fact(t('Training pairs'), count(preview.train)),
    ...(algorithm === RATED ? [fact(t('Pairs of two bad answers'), count(preview.both_bad))] : []),
    fact(t('Held-out pairs'), count(preview.heldout)),
    fact(t('Judgments'), count(preview.judgments)),
    ...(preview.flip_rate === null ? [] : [fact(t('Flipped votes'), percent(preview.flip_rate))]),
    ...(rules.since_last ? [fact(t('Older pairs replayed'), percent(rules.replay))] : []),
    ...(rules.agreement ? [fact(t('Least agreement'), percent(rules.agreement))] : []),
    ...(rules.least_strength > 1 ? [fact(t('Least strength'), decimal(rules.least_strength))] : []),
    fact(t('Digest'), element('code', '', preview.sha256.slice(0, 12))),
  ];
};

const nextLeftOut = (algorithm) => {
  const unrated = algorithm !== RATED && preview.both_bad > 0;
  return leftOut(preview.excluded, unrated ? [t('{pairs}, which KTO would use', { pairs: bothBad(preview.both_bad) })] : []);
};

export const drawNext = (running) => {
  const algorithm = part('algorithm').value;
  part('next-waits').textContent = nextWords(algorithm);
  part('next-facts').replaceChildren(...nextFacts(algorithm));
  part('next-excluded').textContent = nextLeftOut(algorithm);
  part('choice').hidden = preview.waiting;
  action('start').textContent = running ? t('Queue another round') : t('Start a round');
  action('start').hidden = preview.waiting;
  action('start').disabled = !running && trainable(algorithm) === 0;
  action('withdraw').hidden = !preview.waiting;
};

const drawServing = ({ champion, versions }) => {
  const since = versions.find(({ name }) => name === champion)?.servings.at(-1)?.since;
  part('serving').replaceChildren(versionLink(champion), ' ', since ? t('serving since {when}', { when: moment(since) }) : t('serving'));
};

export const loadNext = async (running) => {
  const [next, adapters] = await Promise.all([api('GET', '/rounds/preview'), api('GET', '/adapters')]);
  preview = next;
  fillAlgorithms(preview);
  drawNext(running);
  drawServing(adapters);
};
