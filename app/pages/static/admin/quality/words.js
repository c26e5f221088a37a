// What the page on quality says of people, in the reader's language.
import { lang, t } from '../../shared/words.js';
import { count, decimal, percent } from '../shared/admin.js';

const SIDES = { left: (share) => t('Picks the left side {share} of the time', { share }), right: (share) => t('Picks the right side {share} of the time', { share }) };
const LENGTHS = { longer: (share) => t('Picks the longer answer {share} of the time', { share }), shorter: (share) => t('Picks the shorter answer {share} of the time', { share }) };
export const FINDINGS = {
  one_side: ({ value }) => (value > 0.5 ? SIDES.left(percent(value)) : SIDES.right(percent(1 - value))),
  by_length: ({ value }) => (value > 0.5 ? LENGTHS.longer(percent(value)) : LENGTHS.shorter(percent(1 - value))),
  undecided: ({ value }) => t('Says neither is better {share} of the time', { share: percent(value) }),
  chance: () => t('Agreement with others is at chance level'),
  against_others: () => t('Usually prefers the answer others reject'),
  inconsistent: ({ value }) => t('Asked again, says the same only {share} of the time', { share: percent(value) }),
  misses_gold: ({ value }) => t('Misses {share} of the gold pairs', { share: percent(1 - value) }),
  too_fast: ({ value }) => t('{share} of judgments were faster than reading time', { share: percent(value) }),
};
export const ADVICE = {
  one_side: t('Sides are drawn by lot, so a careful person picks each about half of the time. Ask how they choose; a look at a few pairs in a row will show it.'),
  by_length: t('Longer is not better by itself. Say in the guidelines when length counts, and when it does not.'),
  undecided: t('Ties teach little. Perhaps the pairs are too alike for them, or they want to be done: ask which.'),
  chance: t('Their choices carry no signal so far. Go through a few pairs together; if nothing changes, quarantine.'),
  against_others: t('Most likely they have mistaken the sides or the task. Talk to them first: turned round, their judgments would be good ones.'),
  inconsistent: t('Asked the same again with the sides swapped, they change their mind more than others do. Tired, or guessing.'),
  misses_gold: t('They miss pairs that are meant to be plain. Check that these are, then show them what they missed.'),
  too_fast: t('Faster than anybody skims. Some pairs are settled in the first line, but not most.'),
};
export const FLAGS = { broken_prompt: t('Broken prompt'), personal_data: t('Personal data'), unsafe: t('Unsafe') };
export const CHOICES = { a: t('first answer'), b: t('second answer'), tie: t('tie'), both_bad: t('both bad'), skip: t('skipped') };

export const judgments = (number) => (number === 1 ? t('1 judgment') : t('{count} judgments', { count: count(number) }));
export const interval = ({ low, high }, shown = percent) => t('{low} to {high}', { low: shown(low), high: shown(high) });
export const roundsUsed = (rounds) => rounds.map(({ round, judgments: used }) => t('round {round} ({judgments})', { round, judgments: judgments(used) }));
export const listed = (items) => new Intl.ListFormat(lang, { style: 'narrow' }).format(items);
export const seconds = (number) => (number === null ? '–' : t('{seconds} s', { seconds: number < 10 ? number.toFixed(1) : Math.round(number) }));
export const times2 = (factor) => t('× {factor}', { factor: factor < 10 ? decimal(factor) : Math.round(factor) });
