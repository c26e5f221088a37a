// What the page on versions draws: the match that runs, the ladder, what served when. Each picture says its numbers aloud.
import { bandPlot, railed, timeline } from '../../shared/charts.js';
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { count, decimal, moment, part, percent } from '../shared/admin.js';

const matchChart = ({ course, win_rate: rate }) => {
  const last = course.at(-1).votes;
  const label = t('Win rate as the votes came in: {rate} after {count}', { rate: percent(rate), count: count(last) });
  return bandPlot(label, course.map(({ votes, win_rate: value, low, high }) => ({ x: votes / last, value, low, high })));
};
export const drawMatch = (match) => {
  part('match').hidden = match === null;
  if (match === null) return;
  const { challenger, champion, wins, losses, undecided } = match;
  part('match-title').textContent = t('{challenger} against {champion}', { challenger, champion });
  part('match-votes').textContent = t('{wins} wins, {losses} losses, {undecided} ties', { wins: count(wins), losses: count(losses), undecided: count(undecided) });
  part('match-words').textContent = match.win_rate === null
    ? t('Nobody has voted yet.')
    : [matchWords(match), t('It wins {rate} of the votes; {low} to {high} are not ruled out.', { rate: percent(match.win_rate), low: percent(match.low), high: percent(match.high) })].join(' ');
  part('match-trouble').textContent = match.trouble === null ? '' : t('No pairs of the two can be made: {why}', { why: match.trouble });
  part('match').querySelector('.versions-plot').hidden = match.course.length < 2;
  part('match-ends').hidden = match.course.length < 2;
  if (match.course.length < 2) return;
  part('match-chart').replaceChildren(matchChart(match));
  const last = element('span', '', t('{count} votes', { count: count(match.course.at(-1).votes) }));
  part('match-ends').replaceChildren(element('span', '', t('the first vote')), last);
};
const matchWords = ({ trial, outcome, better, worse, threshold, most_votes: most }) => {
  const strength = t('Evidence {better} for it and {worse} against it, of {threshold} that settle it.', { better: decimal(better), worse: decimal(worse), threshold });
  if (trial) return `${t('In trial.')} ${strength} ${t('If {count} votes do not, it is left to an admin.', { count: count(most) })}`;
  return outcome === 'open' ? `${t('It serves, and is measured against the version before.')} ${strength}` : `${outcome === 'better' ? t('It serves, and has proved better than the version before.') : t('It serves, and has proved worse than the version before.')}`;
};
export const drawLadder = (rungs) => {
  part('ladder-panel').hidden = rungs.length < 2;
  const known = rungs.filter(({ elo }) => elo !== null);
  const least = Math.min(...known.map(({ low }) => low));
  const whole = Math.max(...known.map(({ high }) => high)) - least || 1;
  const at = (elo) => (elo - least) / whole;
  part('ladder').replaceChildren(...rungs.map(({ version, elo, low, high, votes }) => {
    const row = element('div', '', element('b', '', version));
    if (elo === null) {
      row.append(element('span', '', t('never met the others')));
      return row;
    }
    const words = t('{elo} ({low} to {high}), {count} votes', { elo: Math.round(elo), low: Math.round(low), high: Math.round(high), count: count(votes) });
    row.append(railed({ value: at(elo), low: at(low), high: at(high) }), element('span', '', words));
    return row;
  }));
};

const servingSpan = ({ since, until, reason }) => ({
  since, until, words: t('{since} to {until}: {reason}', { since: moment(since), until: until === null ? t('now') : moment(until), reason }),
});
export const drawCourse = (versions) => {
  const served = versions.filter(({ servings }) => servings.length);
  part('course').hidden = served.length < 2;
  if (part('course').hidden) return;
  const from = Math.min(...served.flatMap(({ servings }) => servings.map(({ since }) => since)));
  part('bars').replaceChildren(...timeline(served.map(({ name, servings }) => ({ name, spans: servings.map(servingSpan) })), from));
  part('first').textContent = moment(from);
};
