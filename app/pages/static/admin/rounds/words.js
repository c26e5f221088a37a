// What the page on rounds says, in the reader's language.
import { lang, t } from '../../shared/words.js';
import { count, percent } from '../shared/admin.js';
import { leftOutWords } from '../shared/left_out.js';

export const PHASES = {
  loading: t('loading'), reference: t('reference'), training: t('training'), 'reward model': t('reward model'),
  measuring: t('measuring'), evaluating: t('evaluating'),
};
export const leftOut = (excluded, besides = []) => {
  const votes = [...besides, ...leftOutWords(excluded)];
  return votes.length ? t('Left out: {votes}.', { votes: new Intl.ListFormat(lang, { style: 'narrow' }).format(votes) }) : '';
};

export const roundName = ({ id }) => t('Round {round}', { round: id });
export const pairsOf = (number) => (number === 1 ? t('1 pair') : t('{count} pairs', { count: count(number) }));
export const duration = (seconds) => (seconds < 90
  ? t('{seconds} s', { seconds: Math.max(1, Math.round(seconds)) })
  : t('{minutes} min', { minutes: Math.round(seconds / 60) }));
export const took = (round) => duration(((round.ended_at ?? Date.now()) - round.created_at) / 1000);
export const told = (cell) => (typeof cell === 'string' ? cell : t(cell.words, cell.values));

export const PLAIN = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));
// more: only for those who ask for it
export const CURVES = {
  score: { title: t('Reward model’s score'), mark: 0 },
  kl: { title: t('KL to the reference, nats an answer'), mark: 0 },
  length: { title: t('Length, tokens'), low: 0 },
  loss: { title: t('Loss') },
  margin: { title: t('Margin'), mark: 0 },
  accuracy: { title: t('Batch accuracy'), low: 0, high: 1, mark: 0.5, unit: percent },
  chosen_reward: { title: t('Reward of the chosen answer'), mark: 0, more: true },
  rejected_reward: { title: t('Reward of the rejected answer'), mark: 0, more: true },
  chosen_logps: { title: t('Log-probability of the chosen answer'), more: true },
  rejected_logps: { title: t('Log-probability of the rejected answer'), more: true },
  grad_norm: { title: t('Length of the gradient'), low: 0, more: true },
  learning_rate: { title: t('Learning rate'), low: 0, more: true, unit: (value) => value.toExponential(1) },
};
