// The training board. Draws the view that rounds.py sends every second; fires what the admin wants.
const root = element.querySelector('.pl');
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const CHARTS = {
  score: { title: t('Reward model’s score'), mark: 0 },
  kl: { title: t('KL to the reference, nats an answer'), mark: 0 },
  length: { title: t('Length, tokens'), low: 0 },
  loss: { title: t('Loss') },
  margin: { title: t('Margin'), mark: 0 },
  accuracy: { title: t('Accuracy on the batch'), low: 0, high: 1, mark: 0.5, unit: percent },
};

let wanted = null;
let noteTimer = 0;
let drawn;

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
  part('serving').replaceChildren(label, ' ', since ? t('serves since {when}', { when: when(since) }) : t('serves'));
};

const fillAlgorithms = ({ configured, known }) => {
  const select = part('algorithm');
  if (select.options.length) return; // what an admin has chosen stays chosen
  select.append(...known.map(([name, label]) => new Option(label, name, name === configured, name === configured)));
};

const drawTraining = (view) => {
  const { round, preview } = view;
  const running = Boolean(round?.running);
  fillAlgorithms(view.algorithms);
  part('title').textContent = running ? roundTitle(round) : t('Next round');
  part('sentence').textContent = running
    ? sentences(
      t('{algorithm}: {pairs} to learn from, {heldout} held out. People go on with what serves now.', { ...round, pairs: pairs(round.train) }),
      preview.waiting ? t('Another round waits for it to end.') : '',
    )
    : previewWords(preview, part('algorithm').value);
  part('train').hidden = running;
  part('train').disabled = !material(preview, part('algorithm').value).length;
  part('choice').hidden = running;
  part('cancel').hidden = !round?.cancellable;
  part('run').hidden = !running;
  if (running) {
    const share = round.steps ? round.step / round.steps : 0;
    part('fill').style.width = `${100 * share}%`;
    part('left').textContent = [
      PHASES[round.phase] ?? round.phase,
      round.steps ? t('step {step} of {steps}', round) : '',
      round.seconds_left === null ? '' : t('{time} left', { time: duration(round.seconds_left) }),
    ].filter(Boolean).join(' · ');
  }
  part('trouble').hidden = !view.trouble;
  part('trouble').textContent = view.trouble ? t('No new pairs for annotators: {why}', { why: t(view.trouble) }) : '';
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
  table.createCaption().textContent = t(title);
  if (head.some(Boolean)) table.createTHead().insertRow().append(...head.map((words) => textNode('th', t(words))));
  const body = table.createTBody();
  for (const [name, ...values] of rows) {
    body.insertRow().append(textNode('th', t(name)), ...values.map((value) => textNode('td', told(value))));
  }
  return table;
};

const drawReport = (report) => {
  if (JSON.stringify(report) === JSON.stringify(drawn)) return; // so that text can be selected
  drawn = report;
  part('report').hidden = !report;
  const tiles = (report?.tiles ?? []).map(([name, value]) => {
    const tile = document.createElement('div');
    tile.append(textNode('dt', t(name)), textNode('dd', told(value)));
    return tile;
  });
  part('tiles').replaceChildren(...tiles);
  part('notes').replaceChildren(...(report?.notes ?? []).map((note) => textNode('li', note)));
  part('tables').replaceChildren(...(report?.tables ?? []).map(reportTable));
  part('probed').hidden = !report?.probes.length;
  part('probes').replaceChildren(...probeNodes(report?.probes ?? []));
};

const drawOutcome = (round) => {
  part('outcome').hidden = !round || round.running;
  if (part('outcome').hidden) return;
  part('outcome').dataset.state = round.state;
  part('outcome-words').textContent = sentences(...round.outcome.map(told));
  drawReport(round.report);
};

const versionRow = (version, serving) => {
  const row = document.createElement('tr');
  const state = version.name === serving ? 'serving' : version.served ? 'retired' : 'idle';
  row.dataset.state = state;
  const texts = [version.name, VERSION_STATES[state], version.round ?? '–', version.parent ?? '–', version.pairs ?? '–', percent(version.accuracy), when(version.created)];
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
    button.textContent = version.served ? t('Roll back to this') : t('Serve this');
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
  if (view.note && view.answers === wanted) { wanted = null; say(told(view.note), view.tone); }
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
  const words = t('What it has learned so far is not used. What serves now goes on serving.');
  confirmThen(t('Cancel round {round}?', { round: id }), words, t('Cancel the round'), () => want('cancel', { round: id }));
};

const serve = (name) => {
  const words = t('It is checked and loaded, then it answers in place of {version}. Nobody has to wait, and you can go back at any time.', { version: props.value.serving.name });
  confirmThen(t('Serve {version}?', { version: name }), words, t('Serve {version}', { version: name }), () => want('serve', { name }));
};

const act = {
  train: () => want('train', { algorithm: part('algorithm').value }),
  cancel,
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

document.title = t('Training · prefloop');
window.prefloopTexts.translate(root);
watch('value', () => { if (props.value) show(props.value); });
if (props.value) show(props.value);
