// The page on lineage: back from an answer or a version, forward from a person.
import { ask, onSubmit } from '../../shared/ask.js';
import { timeline } from '../../shared/charts.js';
import { element } from '../../shared/dom.js';
import { lang, t } from '../../shared/words.js';
import { api, begin, button, count, inItsDirection, moment, part, reasoningBox, say } from '../shared/admin.js';

const KINDS = ['answer', 'version', 'person', 'text'];
const link = (kind, value, words = value) => {
  const made = element('a', '', words);
  made.href = `?${new URLSearchParams({ [kind]: value })}`;
  return made;
};
const roundLink = (id) => {
  const made = element('a', '', t('Round {round}', { round: id }));
  made.href = `/admin/rounds/?round=${id}`;
  return made;
};
const shareBar = (share) => {
  const filled = element('i', '');
  filled.style.width = `${100 * share}%`;
  return element('span', 'lineage-bar', filled);
};
const judgmentsOf = (number) => (number === 1 ? t('1 judgment') : t('{count} judgments', { count: count(number) }));
const span = ({ since, until }) => t('{from} to {to}', { from: moment(since), to: until === null ? t('now') : moment(until) });

const madeBy = ({ version, author, edits, file, model, created_at: at }) => {
  if (version) return [t('Sampled {when} from', { when: moment(at) }), ' ', link('version', version)];
  if (file) return [model ? t('Imported {when} from {file}, which says that {model} made it', { when: moment(at), file, model }) : t('Imported {when} from {file}', { when: moment(at), file })];
  const written = [t('Written {when} by', { when: moment(at) }), ' ', link('person', author)];
  return edits === null ? written : [...written, ' · ', link('answer', edits, t('from answer {answer}', { answer: edits }))];
};
const drawAnswer = (answer) => {
  part('answer').hidden = false;
  part('answer-title').textContent = t('Answer {answer}', { answer: answer.id });
  part('answer-made').replaceChildren(...madeBy(answer));
  const said = (words) => inItsDirection(element('p', '', words));
  part('turns').replaceChildren(...answer.prompt.map((turn) => said(turn.content)), ...reasoningBox(answer.reasoning, answer.reasoning_tokens), said(answer.text));
};

// A round's judgments, a page at a time; each leads on to the two answers it was on.
const judgmentsIn = (round) => {
  const rows = element('tbody', '');
  const more = button(t('Show more'), () => load());
  let after = 0;
  const load = async () => {
    const { judgments, next } = await api('GET', `/lineage/rounds/${round}?after=${after}`);
    rows.append(...judgments.map(({ judgment_id: id, pseudonym, choice, split, completions: [a, b], given_at: at }) => element('tr', '',
      element('td', '', String(id)), element('td', '', link('person', pseudonym)), element('td', '', t(choice)),
      element('td', '', link('answer', a, t('answer {answer}', { answer: a })), ' · ', link('answer', b, t('answer {answer}', { answer: b }))),
      element('td', '', split === 'train' ? t('trains') : t('held out')), element('td', '', moment(at)))));
    more.hidden = next === null;
    after = next;
  };
  const heads = [t('Judgment'), t('Annotator'), t('Choice'), t('Answers a and b'), t('Split'), t('Given')];
  const head = element('thead', '', element('tr', '', ...heads.map((words) => element('th', '', words))));
  const box = element('details', '', element('summary', '', t('All its judgments')), element('div', 'admin-scroll', element('table', '', head, rows)), more);
  box.addEventListener('toggle', () => { if (!rows.children.length) load().catch((error) => say(error.message, 'warn')); });
  return box;
};
const originItem = ({ version, round, sha256, judgments, people, servings }) => {
  const title = element('h3', '', link('version', version));
  const from = round === null
    ? element('span', '', version === 'base' ? t('the base model') : t('brought from outside'))
    : element('span', '', roundLink(round), ` · ${judgmentsOf(judgments)}`, sha256 ? ` · ${t('digest {sha256}', { sha256: sha256.slice(0, 12) })}` : '');
  const card = element('section', 'admin-panel', element('div', 'lineage-head', title, from));
  if (servings.length) card.append(element('p', '', t('Served {times}', { times: new Intl.ListFormat(lang).format(servings.map(span)) })));
  if (people.length) {
    card.append(element('ul', 'lineage-people', ...people.map((person) => element('li', '', link('person', person.pseudonym),
      shareBar(person.judgments / judgments), element('span', '', judgmentsOf(person.judgments))))), judgmentsIn(round));
  }
  return element('li', '', card);
};
const drawChain = (origins) => {
  part('chain').hidden = false;
  part('chain').replaceChildren(...origins.map(originItem));
};

const drawTimes = (servings) => {
  part('times').hidden = !servings.length;
  if (!servings.length) return;
  const first = Math.min(...servings.map(({ since }) => since));
  const names = [...new Set(servings.map(({ version }) => version))];
  const spansOf = (name) => servings.filter(({ version }) => version === name).map((serving) => ({ ...serving, words: span(serving) }));
  part('bars').replaceChildren(...timeline(names.map((name) => ({ name: link('version', name), spans: spansOf(name) })), first));
  part('first').textContent = moment(first);
};
const drawPerson = (name, touches) => {
  part('person').hidden = false;
  part('person-title').textContent = name;
  part('person-words').textContent = touches.length
    ? t('Rounds that used judgments of this annotator, and the versions that rest on them.')
    : t('No round has used a judgment of this annotator.');
  part('rounds').replaceChildren(...touches.map(({ round, judgments, of, versions }) => element('li', '',
    element('span', '', roundLink(round), ...versions.flatMap((version) => [' · ', link('version', version)])),
    shareBar(judgments / of), element('span', '', t('{judgments} of {all}', { judgments: count(judgments), all: count(of) })))));
  const seen = new Map(touches.flatMap(({ servings }) => servings.map((serving) => [`${serving.version} ${serving.since}`, serving])));
  drawTimes([...seen.values()]);
};
const drawFound = (answers) => {
  if (!answers.length) say(t('No answer holds these words, and no version or annotator goes by this name.'), 'warn');
  part('found').hidden = !answers.length;
  part('answers').replaceChildren(...answers.map(({ id, text, version, author, created_at: at }) => {
    const item = link('answer', id, t('Answer {answer}', { answer: id }));
    item.append(` · ${version ?? author} · ${moment(at)}`, inItsDirection(element('p', '', text)));
    return element('li', '', item);
  }));
};

const LOADS = {
  answer: async (id) => {
    const found = await api('GET', `/lineage/answers/${id}`);
    drawAnswer(found);
    if (found.version) drawChain(await api('GET', `/lineage/versions/${encodeURIComponent(found.version)}`));
  },
  version: async (name) => drawChain(await api('GET', `/lineage/versions/${encodeURIComponent(name)}`)),
  person: async (name) => drawPerson(name, await api('GET', `/lineage/annotators/${encodeURIComponent(name)}`)),
  text: async (text) => drawFound(await api('GET', `/lineage/answers?${new URLSearchParams({ text })}`)),
};
// What somebody typed: a number is an answer's; then whatever goes by this name; else words of an answer.
const kindOf = async (query) => {
  if (/^\d{1,18}$/.test(query)) return 'answer';
  for (const kind of ['version', 'person']) {
    const path = kind === 'version' ? 'versions' : 'annotators';
    const there = await ask('GET', `/api/v1/lineage/${path}/${encodeURIComponent(query)}`).then(() => true, () => false);
    if (there) return kind;
  }
  return 'text';
};
onSubmit(part('ask'), async () => {
  const query = part('ask').query.value.trim();
  location.search = new URLSearchParams({ [await kindOf(query)]: query });
});

begin(async () => {
  const address = new URLSearchParams(location.search);
  const kind = KINDS.find((name) => address.get(name));
  if (!kind) return;
  part('ask').query.value = address.get(kind);
  await LOADS[kind](address.get(kind));
});
