// The training board. Draws the view that rounds.py sends every second; fires what the admin wants.
const root = element.querySelector('.pl');
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const percent = (share) => (share === null || share === undefined ? '–' : `${Math.round(100 * share)} %`);
const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const REASONS = { tie: 'tie', both_bad: '“both bad”', skip: 'skip', split: 'split vote' };
const RATED = 'kto';
const CHARTS = {
  score: { title: 'Reward model’s score', mark: 0 },
  kl: { title: 'KL to the reference, nats an answer', mark: 0 },
  length: { title: 'Length, tokens', low: 0 },
  loss: { title: 'Loss' },
  margin: { title: 'Margin', mark: 0 },
  accuracy: { title: 'Accuracy on the batch', low: 0, high: 1, mark: 0.5, unit: percent },
};

let wanted = null;
let noteTimer = 0;
let drawn;

const when = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const duration = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);

const say = (text, tone) => {
  clearTimeout(noteTimer);
  part('note').textContent = text;
  part('note').dataset.tone = tone;
  part('note').hidden = !text;
  if (tone === 'ok') noteTimer = setTimeout(() => say('', ''), 6000);
};

const drawServing = ({ name, since }) => {
  const label = document.createElement('b');
  label.textContent = name;
  part('serving').replaceChildren(label, since ? ` serves since ${when(since)}` : ' serves');
};

const fillAlgorithms = ({ configured, known }) => {
  const select = part('algorithm');
  if (select.options.length) return; // what an admin has chosen stays chosen
  select.append(...known.map(([name, label]) => new Option(label, name, name === configured, name === configured)));
};

const material = ({ train, both_bad: bad }) => {
  const rated = part('algorithm').value === RATED ? bad : 0;
  return [train && plural(train, 'compared pair'), rated && `${plural(rated, 'pair')} of two bad answers`].filter(Boolean);
};

const previewWords = (preview) => {
  const { heldout, both_bad: bad, flip_rate: flips, excluded } = preview;
  const left = Object.entries(excluded).map(([reason, count]) => plural(count, REASONS[reason] ?? reason));
  if (bad && part('algorithm').value !== RATED) left.unshift(`${plural(bad, 'pair')} of two bad answers, which KTO would use`);
  const out = left.length ? ` Left out: ${left.join(', ')}.` : '';
  const used = material(preview);
  if (!used.length) return `Nothing to train on yet: judge some pairs first.${out}`;
  const kept = heldout ? `${plural(heldout, 'held-out pair')} will measure the result.` : 'no held-out pair is there yet to measure the result.';
  const agreed = flips === null ? '' : ` By those pairs that several people judged, ${percent(flips)} of the votes are flipped.`;
  return `Would train on ${used.join(' and ')}; ${kept}${agreed}${out}`;
};

const drawTraining = (view) => {
  const { round, preview } = view;
  const running = Boolean(round?.running);
  fillAlgorithms(view.algorithms);
  part('title').textContent = running ? `Round ${round.id} is ${round.state}` : 'Next round';
  part('sentence').textContent = running
    ? `${round.algorithm}: ${plural(round.train, 'pair')} to learn from, ${round.heldout} held out. People go on with what serves now.`
    : previewWords(preview);
  part('train').hidden = running;
  part('train').disabled = !material(preview).length;
  part('choice').hidden = running;
  part('cancel').hidden = !round?.cancellable;
  part('run').hidden = !running;
  if (running) {
    const share = round.steps ? round.step / round.steps : 0;
    part('fill').style.width = `${100 * share}%`;
    part('left').textContent = [
      round.phase,
      round.steps ? `step ${round.step} of ${round.steps}` : '',
      round.seconds_left === null ? '' : `${duration(round.seconds_left)} left`,
    ].filter(Boolean).join(' · ');
  }
  part('trouble').hidden = !view.trouble;
  part('trouble').textContent = view.trouble ? `No new pairs for annotators: ${view.trouble}` : '';
};

const drawCharts = (round) => {
  const curves = Object.entries(round?.curves ?? {});
  part('charts').hidden = !curves.length;
  const figures = curves.map(([name, { steps, values }]) => {
    const figure = document.createElement('figure');
    figure.className = 'pl-panel';
    figure.dataset.chart = name;
    drawChart(figure, { ...CHARTS[name], steps, values, end: Math.max(round.steps, steps.at(-1)) });
    return figure;
  });
  part('charts').replaceChildren(...figures);
};

const textNode = (name, text) => {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
};

const reportTable = ({ title, head, rows }) => {
  const table = document.createElement('table');
  table.createCaption().textContent = title;
  if (head.some(Boolean)) table.createTHead().insertRow().append(...head.map((text) => textNode('th', text)));
  const body = table.createTBody();
  for (const [name, ...values] of rows) {
    body.insertRow().append(textNode('th', name), ...values.map((value) => textNode('td', value)));
  }
  return table;
};

const drawReport = (report) => {
  if (JSON.stringify(report) === JSON.stringify(drawn)) return; // so that text can be selected
  drawn = report;
  part('report').hidden = !report;
  const tiles = (report?.tiles ?? []).map(([name, value]) => {
    const tile = document.createElement('div');
    tile.append(textNode('dt', name), textNode('dd', value));
    return tile;
  });
  part('tiles').replaceChildren(...tiles);
  part('notes').replaceChildren(...(report?.notes ?? []).map((note) => textNode('li', note)));
  part('tables').replaceChildren(...(report?.tables ?? []).map(reportTable));
};

const drawOutcome = (round) => {
  part('outcome').hidden = !round || round.running;
  if (part('outcome').hidden) return;
  part('outcome').dataset.state = round.state;
  part('outcome-words').textContent = round.words;
  drawReport(round.report);
};

const versionRow = (version, serving) => {
  const row = document.createElement('tr');
  const state = version.name === serving ? 'serving' : version.served ? 'retired' : 'never served';
  row.dataset.state = state;
  const texts = [version.name, state, version.round ?? '–', version.parent ?? '–', version.pairs ?? '–', percent(version.accuracy), when(version.created)];
  for (const [i, text] of texts.entries()) {
    const cell = row.insertCell();
    cell.textContent = text;
    if (i === 4 || i === 5) cell.className = 'num';
  }
  const last = row.insertCell();
  if (state !== 'serving') {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'pl-button small';
    button.textContent = version.served ? 'Roll back to this' : 'Serve this';
    button.dataset.serve = version.name;
    last.append(button);
  }
  return row;
};

const show = (view) => {
  drawServing(view.serving);
  drawTraining(view);
  drawCharts(view.round);
  drawOutcome(view.round);
  part('versions').replaceChildren(...view.versions.map((version) => versionRow(version, view.serving.name)));
  root.dataset.champion = view.serving.name;
  root.dataset.round = view.round ? view.round.state : '';
  if (view.note && view.answers === wanted) { wanted = null; say(view.note, view.tone); }
};

const want = (event, data = {}) => {
  wanted = `${Date.now()}`;
  say('', '');
  trigger(event, { ...data, ask: wanted });
};

// Asks first; `then` happens on yes.
let confirmed = () => {};
const confirmThen = (title, words, yes, then) => {
  part('confirm-title').textContent = title;
  part('confirm-words').textContent = words;
  part('yes').textContent = yes;
  confirmed = then;
  part('confirm').showModal();
};

const cancel = () => {
  const { id } = props.value.round;
  confirmThen(`Cancel round ${id}?`, 'What it has learned so far is not used. What serves now goes on serving.', 'Cancel the round', () => want('cancel', { round: id }));
};

const serve = (name) => {
  const words = `It is checked and loaded, then it answers in place of ${props.value.serving.name}. Nobody has to wait, and you can go back at any time.`;
  confirmThen(`Serve ${name}?`, words, `Serve ${name}`, () => want('serve', { name }));
};

const leave = async () => {
  await fetch('/auth/logout', { method: 'POST' });
  location.assign('/sign-in/');
};

const act = {
  train: () => want('train', { algorithm: part('algorithm').value }),
  cancel,
  mode: () => window.prefloopMode.toggle(),
  leave,
  no: () => part('confirm').close(),
  yes: () => { part('confirm').close(); confirmed(); },
};

element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do], [data-serve]');
  if (!button || event.detail > 1) return;
  if (button.dataset.serve) serve(button.dataset.serve);
  else act[button.dataset.do]();
});

part('algorithm').addEventListener('change', () => drawTraining(props.value));

watch('value', () => { if (props.value) show(props.value); });
if (props.value) show(props.value);
