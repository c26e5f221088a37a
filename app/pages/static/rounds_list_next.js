// The next round: what it would use, what it waits for, and starting one by hand.
const drawNext = (preview, running) => {
  part('next-waits').textContent = [
    preview.trouble ? t(preview.trouble) : told(preview.waits),
    preview.waiting ? t('Another round waits for it to end.') : '',
  ].filter(Boolean).join(' ');
  const { rules } = preview;
  part('next-facts').replaceChildren(
    fact(t('Training pairs'), count(preview.train)),
    fact(t('Held-out pairs'), count(preview.heldout)),
    fact(t('Judgments'), count(preview.judgments)),
    ...(rules.since_last ? [fact(t('Older pairs replayed'), percent(rules.replay))] : []),
    ...(rules.agreement ? [fact(t('Least agreement'), percent(rules.agreement))] : []),
    ...(rules.least_strength > 1 ? [fact(t('Least strength'), decimal(rules.least_strength))] : []),
    fact(t('Digest'), element('code', '', preview.sha256.slice(0, 12))),
  );
  part('next-excluded').textContent = leftOut(preview.excluded);
  action('start').textContent = running ? t('Start another when it has ended') : t('Start a round');
  action('start').hidden = preview.waiting;
  action('withdraw').hidden = !preview.waiting;
};
const loadNext = async (running) => drawNext(await api('GET', '/rounds/preview'), running);
