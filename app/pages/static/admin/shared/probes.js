// Fixed questions with everybody's answers, side by side. Knows no page.
import { t } from '../../shared/words.js';

export const probeNodes = (probes) => probes.map(({ prompt, answers }) => {
  const piece = (tag, text) => {
    const node = document.createElement(tag);
    node.textContent = text;
    node.dir = 'auto';
    return node;
  };
  const card = document.createElement('article');
  card.className = 'pl-probe';
  const asked = document.createElement('header');
  asked.append(...prompt.map((turn) => piece('p', turn)));
  const answered = document.createElement('div');
  answered.append(...answers.map(([name, text]) => {
    const side = document.createElement('section');
    side.append(piece('h4', t(name)), piece('p', text || '–'));
    return side;
  }));
  card.append(asked, answered);
  return card;
});
