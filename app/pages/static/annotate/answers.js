// How the two answers are shown: rendered, as plain text, or with their differences; scrolled together or apart.
const LOOK = 'prefloop-look';
const look = { plain: false, difference: false, together: true, ...JSON.parse(localStorage.getItem(LOOK)) };

const drawLook = () => {
  for (const name of ['plain', 'difference', 'together']) root.querySelector(`[data-do="${name}"]`).setAttribute('aria-pressed', String(look[name]));
};

// A version that has nothing to say is judged, too; a blank card would look like a page that has not loaded.
const tellEmpty = (side) => {
  if (view.state === 'pair' && !view.text[side].trim() && !cutWhileThinking(side)) part(side).replaceChildren(Object.assign(document.createElement('p'), { className: 'pl-soft', textContent: t('This answer is empty.') }));
};

// That a limit ended an answer is no fault of its text's last words; whoever judges should know.
const tellCut = (side) => {
  const tokens = view.cut_off_after?.[side] ?? null;
  part(`cut-${side}`).hidden = tokens === null;
  part(`cut-${side}`).textContent = tokens === null ? '' : cutWords(side, tokens);
};

const drawAnswers = async () => {
  const { token } = view;
  root.dataset.plain = String(look.plain || look.difference);
  for (const side of ['a', 'b']) {
    if (look.plain && view.text) part(side).textContent = view.text[side];
    else part(side).innerHTML = view[side] ?? '';
    tellEmpty(side);
    tellCut(side);
  }
  if (!look.difference || view.state !== 'pair') return;
  const marked = await server.difference({ a: view.text.a, b: view.text.b });
  if (!marked || view.token !== token || !look.difference) return; // another pair stands there by now
  for (const side of ['a', 'b']) {
    part(side).innerHTML = marked[side];
    tellEmpty(side);
  }
};

const toggleLook = (name) => {
  look[name] = !look[name];
  if (name === 'plain' && look.plain) look.difference = false;
  if (name === 'difference' && look.difference) look.plain = false;
  localStorage.setItem(LOOK, JSON.stringify(look));
  drawLook();
  if (name !== 'together') { drawReasoning(false); drawAnswers(); }
};
drawLook();

// Both answers scroll by the same share of their own length, so that both ends come together.
let leading = null;
for (const side of ['a', 'b']) {
  const [mine, other] = [part(side), part(side === 'a' ? 'b' : 'a')];
  mine.addEventListener('scroll', () => {
    if (leading === other) { leading = null; return; } // moved by us
    const [room, otherRoom] = [mine, other].map((box) => box.scrollHeight - box.clientHeight);
    if (!look.together || room <= 0 || otherRoom <= 0) return;
    leading = mine;
    other.scrollTop = (mine.scrollTop / room) * otherRoom;
    requestAnimationFrame(() => requestAnimationFrame(() => { leading = null; }));
  }, { passive: true });
}
