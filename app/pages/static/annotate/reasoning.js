// What was reasoned before each answer, folded away above it. What is hidden never comes here.
const thoughtOf = (side) => view.reasoning?.[side] ?? null;
const reasoningWords = ({ tokens }) => (tokens === null ? t('Reasoning') : t('Reasoning, {count} tokens', { count: tokens.toLocaleString(window.prefloopTexts.language) }));

// One that came to no answer is empty for a reason that the mark of a cut-off answer says.
const cutWhileThinking = (side) => thoughtOf(side) !== null && !view.text[side].trim() && view.cut_off_after?.[side] != null;
const cutWords = (side, tokens) => (cutWhileThinking(side) ? t('Cut off while thinking after {count} tokens', { count: tokens }) : t('Cut off after {count} tokens', { count: tokens }));

const drawThought = (side, thought) => {
  const [box, body] = [part(`reasoning-${side}`), part(`thought-${side}`)];
  box.hidden = thought === null;
  if (thought === null) { body.replaceChildren(); return; }
  part(`reasoning-words-${side}`).textContent = reasoningWords(thought);
  if (look.plain) body.textContent = thought.text;
  else body.innerHTML = thought.html;
};

// fresh: another pair stands here, whose reasoning is shown as the setting says and not as the last one was left.
const drawReasoning = (fresh) => {
  for (const side of ['a', 'b']) {
    if (fresh) part(`reasoning-${side}`).open = view.open === true;
    drawThought(side, thoughtOf(side));
  }
};
