// What the training board says, in the reader's language.
const { lang } = document.documentElement;
const RATED = 'kto';
const told = (note) => (typeof note === 'string' ? note : t(note.words, note.values));
const sentences = (...all) => all.filter(Boolean).join(lang === 'en' ? ' ' : '');
const listed = (items) => new Intl.ListFormat(lang, { style: 'narrow' }).format(items);
const percent = (share) => (share === null || share === undefined ? '–' : t('{share} %', { share: Math.round(100 * share) }));

const pairs = (count) => (count === 1 ? t('1 pair') : t('{count} pairs', { count }));
const compared = (count) => (count === 1 ? t('1 compared pair') : t('{count} compared pairs', { count }));
const bothBad = (count) => (count === 1 ? t('1 pair of two bad answers') : t('{count} pairs of two bad answers', { count }));
const PHASES = {
  starting: t('starting'), loading: t('loading'), reference: t('reference'), training: t('training'),
  'reward model': t('reward model'), measuring: t('measuring'), evaluating: t('evaluating'),
};
const roundTitle = ({ state, id }) => ({
  queued: t('Round {round} is about to start', { round: id }),
  training: t('Round {round} is training', { round: id }),
  swapping: t('Round {round} is taking over', { round: id }),
})[state];
const VERSION_STATES = { serving: t('serving'), retired: t('retired'), idle: t('never served') };

const when = (ms) => new Date(ms).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' });
const duration = (seconds) => (seconds < 90
  ? t('{seconds} s', { seconds: Math.max(1, Math.round(seconds)) })
  : t('{minutes} min', { minutes: Math.round(seconds / 60) }));

const material = ({ train, both_bad: bad }, algorithm) => {
  const rated = algorithm === RATED ? bad : 0;
  return [train && compared(train), rated && bothBad(rated)].filter(Boolean);
};

const leftOut = ({ both_bad: bad, excluded }, algorithm) => {
  const left = leftOutWords(excluded);
  if (bad && algorithm !== RATED) left.unshift(t('{pairs}, which KTO would use', { pairs: bothBad(bad) }));
  return left.length ? t('Left out: {votes}.', { votes: listed(left) }) : '';
};

const previewWords = (preview, algorithm) => {
  const { heldout, flip_rate: flips } = preview;
  const used = material(preview, algorithm);
  if (!used.length) return sentences(t('Nothing to train on yet: judge some pairs first.'), leftOut(preview, algorithm));
  return sentences(
    t('Would train on {pairs}.', { pairs: listed(used) }),
    heldout === 1 ? t('1 held-out pair will measure the result.') : '',
    heldout > 1 ? t('{count} held-out pairs will measure the result.', { count: heldout }) : '',
    heldout ? '' : t('No held-out pair is there yet to measure the result.'),
    flips === null ? '' : t('By those pairs that several people judged, {share} of the votes are flipped.', { share: percent(flips) }),
    leftOut(preview, algorithm),
    t('Digest {sha256}.', { sha256: preview.sha256.slice(0, 12) }),
    preview.trouble ? t(preview.trouble) : told(preview.waits),
  );
};
