// Rounds trained again without somebody's judgments: what that means, and starting it.
import { lang, t } from '../../shared/words.js';
import { action, api, onPress, part, say } from '../shared/admin.js';
import { roundName } from './words.js';

const leavesOut = () => ({
  annotators: [part('rebuild-annotator').value].filter(Boolean),
  sources: [part('rebuild-source').value].filter(Boolean),
});
const roundsWords = (rounds) => new Intl.ListFormat(lang).format(rounds.map((id) => roundName({ id })));

const drawPlan = async () => {
  const { annotators, sources } = leavesOut();
  action('rebuild').disabled = true;
  if (!annotators.length && !sources.length) {
    part('rebuild-plan').textContent = '';
    return;
  }
  const asked = new URLSearchParams([...annotators.map((name) => ['annotators', name]), ...sources.map((name) => ['sources', name])]);
  const { rounds } = await api('GET', `/rebuilds/plan?${asked}`);
  part('rebuild-plan').textContent = rounds.length
    ? t('To be trained again: {rounds}.', { rounds: roundsWords(rounds) })
    : t('No version rests on these judgments, so there is nothing to rebuild.');
  action('rebuild').disabled = !rounds.length;
};
const drawRebuilds = async () => {
  const { annotators, sources, left, trouble } = await api('GET', '/rebuilds');
  const fill = (select, names) => {
    if (select.options.length !== names.length + 1) select.replaceChildren(new Option('–', ''), ...names.map((name) => new Option(name, name)));
  };
  fill(part('rebuild-annotator'), annotators);
  fill(part('rebuild-source'), sources);
  if (left.length) part('rebuild-plan').textContent = t('Being trained again: {rounds}.', { rounds: roundsWords(left) });
  if (trouble) part('rebuild-plan').textContent = trouble;
};
for (const name of ['rebuild-annotator', 'rebuild-source']) {
  part(name).addEventListener('change', () => drawPlan().catch((error) => say(error.message, 'warn')));
}
part('rebuild').addEventListener('toggle', () => drawRebuilds().catch((error) => say(error.message, 'warn')));
onPress(action('rebuild'), async () => {
  const { rounds } = await api('POST', '/rebuilds', leavesOut());
  part('rebuild-plan').textContent = t('Being trained again: {rounds}.', { rounds: roundsWords(rounds) });
});
